use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use serde::de::DeserializeOwned;
use strongroom_model::Sensitive;

use crate::answers::{
    RawBundle, Secret, SecretBundle, SecretSummary, SecretVersionSummary, VaultSummary,
};
use crate::client::{Call, Client};
use crate::endpoint::Service;
use crate::error::ClientError;
use crate::transport::Answer;

/// Which version of a secret is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The one in use.
    #[default]
    Current,
    /// The one in this stage.
    Stage(String),
    /// The one with this number.
    Number(u64),
    /// The one with this name.
    Name(String),
}

impl Selector {
    fn parameter(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Current => None,
            Self::Stage(stage) => Some(("stage", stage.clone())),
            Self::Number(number) => Some(("versionNumber", number.to_string())),
            Self::Name(name) => Some(("secretVersionName", name.clone())),
        }
    }
}

/// A secret to be made.
#[derive(Debug)]
pub struct NewSecret<'a> {
    /// OCID of the compartment.
    pub compartment_id: &'a str,
    /// OCID of the vault.
    pub vault_id: &'a str,
    /// OCID of the key.
    pub key_id: &'a str,
    /// Name.
    pub name: &'a str,
    /// Content of version 1.
    pub content: NewContent<'a>,
}

/// Where a secret's first content comes from.
#[derive(Debug)]
pub enum NewContent<'a> {
    /// It is given.
    Given(&'a Sensitive),
    /// The service generates it: `secretGenerationContext`.
    Generated(serde_json::Value),
}

/// Encodes a path segment or query value: all but RFC 3986's unreserved characters.
pub(crate) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(escape).collect::<Vec<_>>().concat()
}

pub(crate) fn target(path: &str, parameters: &[(&'static str, String)]) -> String {
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

pub(crate) fn parse<T: DeserializeOwned>(
    answer: &Answer,
    what: &'static str,
) -> Result<T, ClientError> {
    serde_json::from_slice(&answer.body).map_err(|_error| ClientError::Answer(what))
}

pub(crate) fn get(service: Service, target: String) -> Call {
    Call { service, method: Method::GET, target, body: None, retry_token: false, is_read: false }
}

impl Client {
    /// `GetSecretBundle`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn secret_bundle(
        &self,
        secret_id: &str,
        selector: &Selector,
    ) -> Result<SecretBundle, ClientError> {
        let path = format!("/20190301/secretbundles/{}", encode(secret_id));
        let parameters: Vec<_> = selector.parameter().into_iter().collect();
        let answer = self.send(get(Service::Secrets, target(&path, &parameters))).await?;
        decode(&answer)
    }

    /// `GetSecretBundleByName`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn secret_bundle_by_name(
        &self,
        vault_id: &str,
        name: &str,
        selector: &Selector,
    ) -> Result<SecretBundle, ClientError> {
        let mut parameters =
            vec![("secretName", name.to_owned()), ("vaultId", vault_id.to_owned())];
        parameters.extend(selector.parameter());
        let target = target("/20190301/secretbundles/actions/getByName", &parameters);
        let body = Some(Bytes::new());
        let call = get(Service::Secrets, target);
        let call = Call { body, method: Method::POST, is_read: true, ..call };
        decode(&self.send(call).await?)
    }

    /// `ListSecrets` of a vault in a compartment, all pages; with `name` only the secret of that
    /// name.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn secrets(
        &self,
        compartment_id: &str,
        vault_id: &str,
        name: Option<&str>,
    ) -> Result<Vec<SecretSummary>, ClientError> {
        let mut parameters = vec![
            ("compartmentId", compartment_id.to_owned()),
            ("vaultId", vault_id.to_owned()),
            ("sortBy", "NAME".to_owned()),
        ];
        parameters.extend(name.map(|name| ("name", name.to_owned())));
        self.all_pages(Service::Vaults, "/20180608/secrets", parameters, "ListSecrets").await
    }

    /// `ListSecrets` of a compartment, whatever vault they are in, all pages.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn secrets_in(
        &self,
        compartment_id: &str,
    ) -> Result<Vec<SecretSummary>, ClientError> {
        let parameters = vec![("compartmentId", compartment_id.to_owned())];
        self.all_pages(Service::Vaults, "/20180608/secrets", parameters, "ListSecrets").await
    }

    /// `ListSecretVersions`, all pages, the newest first.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn secret_versions(
        &self,
        secret_id: &str,
    ) -> Result<Vec<SecretVersionSummary>, ClientError> {
        let path = format!("/20180608/secrets/{}/versions", encode(secret_id));
        self.all_pages(Service::Vaults, &path, Vec::new(), "ListSecretVersions").await
    }

    /// `GetSecret`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn secret(&self, secret_id: &str) -> Result<Secret, ClientError> {
        let target = format!("/20180608/secrets/{}", encode(secret_id));
        parse(&self.send(get(Service::Vaults, target)).await?, "GetSecret")
    }

    /// `ListVaults` of a compartment, all pages.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn vaults(&self, compartment_id: &str) -> Result<Vec<VaultSummary>, ClientError> {
        let parameters = vec![("compartmentId", compartment_id.to_owned())];
        self.all_pages(Service::KmsVaults, "/20180608/vaults", parameters, "ListVaults").await
    }

    /// `GetVault`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn vault(&self, vault_id: &str) -> Result<VaultSummary, ClientError> {
        let target = format!("/20180608/vaults/{}", encode(vault_id));
        parse(&self.send(get(Service::KmsVaults, target)).await?, "GetVault")
    }

    /// `CreateSecret`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn create_secret(&self, new: &NewSecret<'_>) -> Result<Secret, ClientError> {
        let mut body = serde_json::json!({
            "compartmentId": new.compartment_id,
            "vaultId": new.vault_id,
            "keyId": new.key_id,
            "secretName": new.name,
        });
        let said = match &new.content {
            NewContent::Given(given) => vec![("secretContent", content(given, None))],
            NewContent::Generated(context) => vec![
                ("secretGenerationContext", context.clone()),
                ("enableAutoGeneration", true.into()),
            ],
        };
        for (name, value) in said {
            if let Some(fields) = body.as_object_mut() {
                fields.insert(name.to_owned(), value);
            }
        }
        let call = Call {
            method: Method::POST,
            body: Some(Bytes::from(body.to_string())),
            retry_token: true,
            ..get(Service::Vaults, "/20180608/secrets".to_owned())
        };
        parse(&self.send(call).await?, "CreateSecret")
    }

    /// `UpdateSecret` with new content; `stage` is `CURRENT` or `PENDING`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn update_secret(
        &self,
        secret_id: &str,
        new: &Sensitive,
        stage: &'static str,
    ) -> Result<Secret, ClientError> {
        let body = serde_json::json!({ "secretContent": content(new, Some(stage)) });
        let target = format!("/20180608/secrets/{}", encode(secret_id));
        let body = Some(Bytes::from(body.to_string()));
        let call = Call { method: Method::PUT, body, ..get(Service::Vaults, target) };
        parse(&self.send(call).await?, "UpdateSecret")
    }

    /// `UpdateSecret` that makes another version current: promotion and rollback.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn promote(&self, secret_id: &str, number: u64) -> Result<Secret, ClientError> {
        let body = serde_json::json!({ "currentVersionNumber": number });
        let target = format!("/20180608/secrets/{}", encode(secret_id));
        let body = Some(Bytes::from(body.to_string()));
        let call = Call { method: Method::PUT, body, ..get(Service::Vaults, target) };
        parse(&self.send(call).await?, "UpdateSecret")
    }

    /// `RotateSecret`: the rotation goes on after the answer.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn rotate_secret(&self, secret_id: &str) -> Result<(), ClientError> {
        self.act(secret_id, "actions/rotate", Bytes::new()).await
    }

    /// `ScheduleSecretDeletion`, at a time as in RFC 3339, or after as long as the service waits.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn schedule_secret_deletion(
        &self,
        secret_id: &str,
        at: Option<&str>,
    ) -> Result<(), ClientError> {
        let body = at.map_or(serde_json::json!({}), |at| serde_json::json!({"timeOfDeletion": at}));
        self.act(secret_id, "actions/scheduleDeletion", Bytes::from(body.to_string())).await
    }

    /// `CancelSecretDeletion`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn cancel_secret_deletion(&self, secret_id: &str) -> Result<(), ClientError> {
        self.act(secret_id, "actions/cancelDeletion", Bytes::new()).await
    }

    /// `ScheduleSecretVersionDeletion`, at a time as in RFC 3339, or after as long as the service
    /// waits.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn schedule_version_deletion(
        &self,
        secret_id: &str,
        number: u64,
        at: Option<&str>,
    ) -> Result<(), ClientError> {
        let body = at.map_or(serde_json::json!({}), |at| serde_json::json!({"timeOfDeletion": at}));
        let action = format!("version/{number}/actions/scheduleDeletion");
        self.act(secret_id, &action, Bytes::from(body.to_string())).await
    }

    /// `CancelSecretVersionDeletion`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn cancel_version_deletion(
        &self,
        secret_id: &str,
        number: u64,
    ) -> Result<(), ClientError> {
        let action = format!("version/{number}/actions/cancelDeletion");
        self.act(secret_id, &action, Bytes::new()).await
    }

    async fn act(&self, secret_id: &str, action: &str, body: Bytes) -> Result<(), ClientError> {
        let target = format!("/20180608/secrets/{}/{action}", encode(secret_id));
        let call = Call {
            method: Method::POST,
            body: Some(body),
            retry_token: true,
            ..get(Service::Vaults, target)
        };
        self.send(call).await.map(|_answer| ())
    }

    pub(crate) async fn all_pages<T: DeserializeOwned>(
        &self,
        service: Service,
        path: &str,
        parameters: Vec<(&'static str, String)>,
        what: &'static str,
    ) -> Result<Vec<T>, ClientError> {
        let mut rows = Vec::new();
        let mut page = None;
        loop {
            let mut parameters = parameters.clone();
            parameters.extend(page.clone().map(|page| ("page", page)));
            let answer = self.send(get(service, target(path, &parameters))).await?;
            rows.extend(parse::<Vec<T>>(&answer, what)?);
            match answer.next_page {
                next if next == page && next.is_some() => return Err(ClientError::Answer(what)),
                Some(next) => page = Some(next),
                None => return Ok(rows),
            }
        }
    }
}

fn content(content: &Sensitive, stage: Option<&str>) -> serde_json::Value {
    let mut body = serde_json::json!({
        "contentType": "BASE64",
        "content": STANDARD.encode(content.expose()),
    });
    if let (Some(stage), Some(fields)) = (stage, body.as_object_mut()) {
        fields.insert("stage".to_owned(), stage.into());
    }
    body
}

fn decode(answer: &Answer) -> Result<SecretBundle, ClientError> {
    const WHAT: &str = "GetSecretBundle";
    let raw: RawBundle = parse(answer, WHAT)?;
    let RawBundle { secret_bundle_content: content, .. } = raw;
    let decoded = decoded(content.content, WHAT)?;
    if content.content_type != "BASE64" {
        return Err(ClientError::Answer(WHAT));
    }
    Ok(SecretBundle {
        secret_id: raw.secret_id,
        version_number: raw.version_number,
        version_name: raw.version_name,
        stages: raw.stages,
        time_created: raw.time_created,
        metadata: raw.metadata.unwrap_or_default(),
        content: decoded,
    })
}

/// Decodes base64 once and strictly; both forms are wiped after use.
pub(crate) fn decoded(encoded: String, what: &'static str) -> Result<Sensitive, ClientError> {
    let encoded = Sensitive::new(encoded.into_bytes());
    let decoded = STANDARD.decode(encoded.expose());
    decoded.map(Sensitive::new).map_err(|_position| ClientError::Answer(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_encoded() {
        let parameters = [("secretName", "a b/c&d=é".to_owned())];
        assert_eq!(target("/p", &parameters), "/p?secretName=a%20b%2Fc%26d%3D%C3%A9");
    }
}
