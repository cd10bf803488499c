//! What names say: whether a variable holds a secret.

use super::pattern::Pattern;

static SECRET_VARIABLE: Pattern = Pattern::new(
    r"(?i)(^|[a-z0-9_.])(password|passwd|secret_?value|secret_?content|secret_?plaintext|secret_?text|private_?key(_?(pem|content|value))?|client_?secret|vault_?secret)$",
);

/// Names of what is about a secret, and not it.
static ABOUT: Pattern = Pattern::new(
    r"(?i)(file|path|dir|name|id|ocid|url|uri|length|len|count|version|hash|policy|field|prompt|key_?id|encrypted|expired?|enabled|manager|store|service|client|type|label|base64|b64|encoded|placeholder|example|input|no_password|reset_password|forgot_password|change_password|has_password|is_password)$|^(no|has|is|reset|change|forgot|show|hide|confirm|generate)_?passw|^(ocid|id|path|name|num|len|hash|hashed|encoded|encrypted|masked)_",
);

/// Whether a shell variable, by its name, holds a secret.
pub(super) fn is_secret_variable(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    // A workflow's own secrets are masked wherever they are printed.
    SECRET_VARIABLE.is_in(last) && !ABOUT.is_in(last)
}

static SECRET_NAME: Pattern = Pattern::new(
    r"(?i)^(.*_)?(secret_?(value|content|plaintext|text)|(decoded|decrypted|plain)_?(secret|content|value|password)(_(secret|content|value))?|(db|database|root|admin|user|smtp|wallet|adb|mysql|oracle|postgres)_?(password|passwd)|password|(oci_?)?vault_?secret)$",
);

/// Whether a name of a program, by its words, holds a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = snake(name);
    SECRET_NAME.is_in(&name) && !ABOUT.is_in(&name)
}

/// Returns a name in words with underscores.
pub(super) fn snake(name: &str) -> String {
    let mut words = String::new();
    let mut was_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && was_small {
            words.push('_');
        }
        was_small = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        words.push(letter.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_secrets_from_what_is_about_them() {
        for name in
            ["DB_PASSWORD", "env.OCI_VAULT_SECRET_VALUE", "PRIVATE_KEY", "tls.a.private_key_pem"]
        {
            assert!(is_secret_variable(name), "{name}");
        }
        for name in ["SECRET_NAME", "PASSWORD_FILE", "SECRET_ID", "HAS_PASSWORD", "KEY", "SECRET"] {
            assert!(!is_secret_variable(name), "{name}");
        }
        for name in
            ["dbPassword", "secret_content", "decodedContent", "ocivault_secret", "secretValue"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in
            ["secret_id", "resetPassword", "password_hash", "content", "secretName", "decoded"]
        {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
