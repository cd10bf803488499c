macro_rules! faults {
    ($($(#[doc = $says:literal])+ $name:ident = $code:literal;)*) => {
        /// What can keep a secret from being read, or will.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[doc = $says])+ $name,)*
        }

        impl Fault {
            /// Every fault, in the order of the tree.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the word by which the fault is known.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// Finds a fault by its word.
            #[must_use]
            pub fn named(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|fault| fault.code() == code)
            }

            /// Returns the fault in a sentence.
            #[must_use]
            pub fn says(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($says),+).trim(),)*
                }
            }
        }
    };
}

faults! {
    /// Flags, variables or the configuration file of this program contradict themselves.
    BadSettings = "bad-settings";
    /// There is nothing to sign requests with.
    NoCredentials = "no-credentials";
    /// The variable that should hold the reference is not set.
    VariableNotSet = "variable-not-set";
    /// Blanks, line breaks or quotes stand around the reference.
    BlanksAroundReference = "blanks-around-reference";
    /// The reference is neither `secret://VAULT/NAME` nor an OCID.
    BadReference = "bad-reference";
    /// The OCID is of something else than a secret.
    WrongOcidType = "wrong-ocid-type";
    /// Nothing says which vault the alias stands for.
    UnknownVault = "unknown-vault";
    /// Oracle's configuration file is not there, or cannot be read.
    NoConfiguration = "no-configuration";
    /// Others may read the configuration file.
    ConfigurationOpenToOthers = "configuration-open-to-others";
    /// A line of the configuration file cannot be read, or stands there twice.
    BrokenConfiguration = "broken-configuration";
    /// The profile is not in the configuration file.
    NoProfile = "no-profile";
    /// The profile lacks a setting.
    MissingSetting = "missing-setting";
    /// A value of the profile goes over more than one line.
    ValueOverLines = "value-over-lines";
    /// A value of the profile has blanks or quotes in it.
    BlanksInValue = "blanks-in-value";
    /// A value of the profile is no OCID, or one of something else.
    WrongOcidInProfile = "wrong-ocid-in-profile";
    /// The fingerprint is none.
    BadFingerprint = "bad-fingerprint";
    /// The private key is not where the profile says.
    NoKeyFile = "no-key-file";
    /// Others may read the private key.
    KeyOpenToOthers = "key-open-to-others";
    /// The file is no private RSA key in PEM.
    NotAPrivateKey = "not-a-private-key";
    /// The private key is encrypted, and no passphrase is given.
    NoPassphrase = "no-passphrase";
    /// The passphrase does not open the private key.
    WrongPassphrase = "wrong-passphrase";
    /// The profile's fingerprint is of another key.
    FingerprintOfOtherKey = "fingerprint-of-other-key";
    /// The session's or resource's token is not there, is none, or others may read it.
    NoToken = "no-token";
    /// The token has run out.
    TokenExpired = "token-expired";
    /// A variable of the resource principal is not set.
    NoResourcePrincipal = "no-resource-principal";
    /// The machine's metadata service does not answer.
    MetadataUnreachable = "metadata-unreachable";
    /// The machine's metadata service answers, but has no identity for it.
    NoMachineIdentity = "no-machine-identity";
    /// The machine's certificate has run out.
    MachineCertificateExpired = "machine-certificate-expired";
    /// Nothing says where to call.
    NoEndpoint = "no-endpoint";
    /// The region is not known.
    UnknownRegion = "unknown-region";
    /// The endpoint is no URL that can be called.
    BadEndpoint = "bad-endpoint";
    /// The certificate authorities cannot be read.
    BadAuthorities = "bad-authorities";
    /// A variable names a proxy that cannot be used.
    BadProxy = "bad-proxy";
    /// The proxy that the environment names for the service does not answer.
    ProxyUnreachable = "proxy-unreachable";
    /// The proxy answers, and does not pass calls on.
    ProxyRefuses = "proxy-refuses";
    /// Oracle's tools ask a proxy for this machine's metadata.
    ProxyTakesMetadata = "proxy-takes-metadata";
    /// The service is reached through the proxy only, and `NO_PROXY` says not to use it.
    ProxyNeeded = "proxy-needed";
    /// The host's name leads to no address.
    NameUnknown = "name-unknown";
    /// Nothing listens at the address.
    ConnectionRefused = "connection-refused";
    /// The address does not answer: a firewall, a route, a machine that is down.
    ConnectionTimeout = "connection-timeout";
    /// The service connects, and does not answer.
    NoAnswer = "no-answer";
    /// No authority that is trusted vouches for the service's certificate.
    UnknownAuthority = "unknown-authority";
    /// The service's certificate is not valid now.
    ServerCertificateExpired = "server-certificate-expired";
    /// The service's certificate is of another name.
    ServerCertificateOfOtherName = "server-certificate-of-other-name";
    /// The TLS handshake fails for another reason.
    TlsFailed = "tls-failed";
    /// The service speaks plain HTTP where `https` is called.
    NotTls = "not-tls";
    /// The service speaks TLS where `http` is called.
    TlsExpected = "tls-expected";
    /// What answers is no service of OCI.
    NotOci = "not-oci";
    /// This machine's clock is off by five minutes or more.
    ClockOff = "clock-off";
    /// The service knows no such key of this user in this tenancy.
    KeyNotRegistered = "key-not-registered";
    /// The token was refused: revoked, or from before a rotation.
    TokenRefused = "token-refused";
    /// The federation service refused the machine's certificate.
    MachineRefused = "machine-refused";
    /// The federation service, which gives tokens for certificates, does not answer as it should.
    FederationFails = "federation-fails";
    /// The machine is in no dynamic group.
    NoDynamicGroup = "no-dynamic-group";
    /// The user is in no group.
    NoGroup = "no-group";
    /// The secret is of another realm or region than the one that is called.
    OtherRegion = "other-region";
    /// The secret does not exist.
    SecretAbsent = "secret-absent";
    /// The secret does not exist, or the caller may not know.
    MissingOrHidden = "missing-or-hidden";
    /// The secret is to be deleted, and cannot be read until that is taken back.
    SecretPendingDeletion = "secret-pending-deletion";
    /// The secret is deleted.
    SecretDeleted = "secret-deleted";
    /// The secret is in a state in which it cannot be read.
    SecretNotActive = "secret-not-active";
    /// The secret has no such version, or none in this stage.
    VersionAbsent = "version-absent";
    /// The secret's content has nothing where the reference points inside it.
    PointsNowhere = "points-nowhere";
    /// The secret's content has expired.
    SecretExpired = "secret-expired";
    /// A statement denies it.
    DeniedByStatement = "denied-by-statement";
    /// No statement lets the caller read secrets.
    MissingSecretRight = "missing-secret-right";
    /// No statement lets the caller use the secret's key.
    MissingKeyRight = "missing-key-right";
    /// A statement lets the caller use keys, but of another compartment than the key's.
    KeyInOtherCompartment = "key-in-other-compartment";
    /// A statement lets the caller read secrets, but of another compartment than the secret's.
    SecretInOtherCompartment = "secret-in-other-compartment";
    /// A statement would allow it, but its condition does not hold.
    ConditionFails = "condition-fails";
    /// A statement's verb is too weak.
    VerbTooWeak = "verb-too-weak";
    /// The vault that the alias stands for does not exist.
    VaultAbsent = "vault-absent";
    /// The vault is to be deleted, or gone.
    VaultNotActive = "vault-not-active";
    /// The key is disabled.
    KeyDisabled = "key-disabled";
    /// The key, or the version of it that the content is encrypted with, is to be deleted, or gone.
    KeyPendingDeletion = "key-pending-deletion";
    /// The service says that the state of the secret, its key or its vault forbids it.
    StateForbids = "state-forbids";
    /// The service asks to be called less often.
    Throttled = "throttled";
    /// The service fails.
    ServiceFails = "service-fails";
    /// The service refuses for a reason that is none of the above.
    Refused = "refused";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_word_of_its_own_and_a_sentence() {
        let words: std::collections::BTreeSet<&str> =
            Fault::ALL.iter().map(|fault| fault.code()).collect();
        assert_eq!(words.len(), Fault::ALL.len());
        for fault in Fault::ALL {
            let legal = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(fault.code().chars().all(legal), "{}", fault.code());
            assert!(fault.says().ends_with('.'), "{}", fault.code());
            assert_eq!(Fault::named(fault.code()), Some(*fault));
        }
    }

    #[test]
    fn every_fault_is_documented() {
        let page = include_str!("../../../../docs/doctor.md");
        let (_, rows) = page.split_once("## Faults").unwrap();
        let said: Vec<&str> =
            rows.lines().skip_while(|line| !line.starts_with("| ---")).skip(1).collect();
        let rows =
            Fault::ALL.iter().map(|fault| format!("| {} | {} |", fault.code(), fault.says()));
        assert_eq!(said, rows.collect::<Vec<_>>());
    }
}
