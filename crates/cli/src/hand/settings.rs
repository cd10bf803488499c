use std::path::PathBuf;

use clap::Args;

use super::configuration::Configuration;
use super::credentials::Auth;
use crate::environment::Environment;

/// Where to call and as whom. A flag comes before the environment, `STRONGROOM_*` before
/// `OCI_CLI_*`, the environment before files.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Connection {
    /// Base URL of the vault
    #[arg(long, value_name = "URL")]
    pub(super) endpoint: Option<String>,
    /// Configuration file [default: ~/.config/strongroom/config.toml]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Oracle's configuration file [default: ~/.oci/config]
    #[arg(long, value_name = "FILE")]
    pub(super) config_file: Option<PathBuf>,
    /// Profile of Oracle's configuration file [default: DEFAULT]
    #[arg(long, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// How to sign requests [default: whichever there is, in this order: resource principal, profile,
    /// instance principal]
    #[arg(long, value_enum, value_name = "KIND")]
    pub(super) auth: Option<Auth>,
    /// Certificate authorities to trust in place of the system's, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) cert_bundle: Option<PathBuf>,
    /// Certificate authorities to trust besides, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) extra_cert_bundle: Option<PathBuf>,
    /// Data directory of a development server, which tells everything
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
}

impl Connection {
    /// Returns whether any flag is given.
    pub(super) fn names_something(&self) -> bool {
        let Self { endpoint, config, config_file, profile, auth, data_dir, .. } = self;
        let (cert_bundle, extra) = (&self.cert_bundle, &self.extra_cert_bundle);
        let texts = [endpoint, profile];
        let paths = [config, config_file, cert_bundle, extra, data_dir];
        auth.is_some()
            || texts.iter().any(|text| text.is_some())
            || paths.iter().any(|path| path.is_some())
    }
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin<T> {
    /// It is named.
    Named(T),
    /// The data directory of a development server tells it.
    DataDirectory,
    /// Nothing names it.
    Default,
}

/// What the settings come to, before any file but the configuration is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(super) endpoint: Origin<String>,
    pub(super) config_file: Origin<PathBuf>,
    pub(super) profile: Origin<String>,
    pub(super) cert_bundle: Option<PathBuf>,
    pub(super) extra_cert_bundle: Option<PathBuf>,
    pub(super) data_dir: Option<PathBuf>,
}

/// Which flag, variable or setting of the configuration file names a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) endpoint: Option<&'static str>,
    pub(super) cert_bundle: Option<&'static str>,
    pub(super) extra_cert_bundle: Option<&'static str>,
    pub(super) data_dir: Option<&'static str>,
}

/// Settings of one rank. A data directory stands in for what its own rank does not name.
struct Layer {
    endpoint: Option<String>,
    config_file: Option<PathBuf>,
    profile: Option<String>,
    cert_bundle: Option<PathBuf>,
    extra_cert_bundle: Option<PathBuf>,
    data_dir: Option<PathBuf>,
}

impl Settings {
    /// Weighs flags, environment and configuration file.
    pub(super) fn settle(
        flags: &Connection,
        environment: &Environment,
        configuration: &Configuration,
    ) -> Self {
        let layers = layers(flags, environment, configuration);
        Self {
            endpoint: first(&layers, |layer| layer.endpoint.clone()),
            config_file: first(&layers, |layer| layer.config_file.clone()),
            profile: first(&layers, |layer| layer.profile.clone()),
            cert_bundle: layers.iter().find_map(|layer| layer.cert_bundle.clone()),
            extra_cert_bundle: layers.iter().find_map(|layer| layer.extra_cert_bundle.clone()),
            data_dir: layers.iter().find_map(|layer| layer.data_dir.clone()),
        }
    }

    /// Tells what names the settings.
    pub(super) fn names(
        flags: &Connection,
        environment: &Environment,
        configuration: &Configuration,
    ) -> Names {
        let layers = layers(flags, environment, configuration);
        let first = |has: fn(&Layer) -> bool, names: [&'static str; 4]| {
            layers.iter().zip(names).find_map(|(layer, name)| has(layer).then_some(name))
        };
        Names {
            endpoint: first(
                |layer| layer.endpoint.is_some(),
                ["--endpoint", "STRONGROOM_ENDPOINT", "OCI_CLI_ENDPOINT", "endpoint"],
            ),
            cert_bundle: first(
                |layer| layer.cert_bundle.is_some(),
                ["--cert-bundle", "STRONGROOM_CERT_BUNDLE", "OCI_CLI_CERT_BUNDLE", "cert_bundle"],
            ),
            extra_cert_bundle: first(
                |layer| layer.extra_cert_bundle.is_some(),
                ["--extra-cert-bundle", "STRONGROOM_EXTRA_CERT_BUNDLE", "", "extra_cert_bundle"],
            ),
            data_dir: first(
                |layer| layer.data_dir.is_some(),
                ["--data-dir", "STRONGROOM_DATA_DIR", "", "data_dir"],
            ),
        }
    }

    /// Returns whether nothing says whom to call, so that the usual development server is meant if
    /// it runs.
    pub(super) fn name_nothing(&self) -> bool {
        self.endpoint == Origin::Default
            && self.config_file == Origin::Default
            && self.profile == Origin::Default
    }
}

fn layers(
    flags: &Connection,
    environment: &Environment,
    configuration: &Configuration,
) -> [Layer; 4] {
    let path = |text: &Option<String>| text.as_ref().map(|text| environment.path(text));
    [
        Layer {
            endpoint: flags.endpoint.clone(),
            config_file: flags.config_file.clone(),
            profile: flags.profile.clone(),
            cert_bundle: flags.cert_bundle.clone(),
            extra_cert_bundle: flags.extra_cert_bundle.clone(),
            data_dir: flags.data_dir.clone(),
        },
        Layer {
            endpoint: environment.endpoint.clone(),
            config_file: path(&environment.config_file),
            profile: environment.profile.clone(),
            cert_bundle: path(&environment.cert_bundle),
            extra_cert_bundle: path(&environment.extra_cert_bundle),
            data_dir: path(&environment.data_dir),
        },
        Layer {
            endpoint: environment.oci_endpoint.clone(),
            config_file: path(&environment.oci_config_file),
            profile: environment.oci_profile.clone(),
            cert_bundle: path(&environment.oci_cert_bundle),
            extra_cert_bundle: None,
            data_dir: None,
        },
        Layer {
            endpoint: configuration.endpoint.clone(),
            config_file: path(&configuration.config_file),
            profile: configuration.profile.clone(),
            cert_bundle: path(&configuration.cert_bundle),
            extra_cert_bundle: path(&configuration.extra_cert_bundle),
            data_dir: path(&configuration.data_dir),
        },
    ]
}

fn first<T>(layers: &[Layer], named: impl Fn(&Layer) -> Option<T>) -> Origin<T> {
    let origin = |layer: &Layer| match named(layer) {
        Some(value) => Some(Origin::Named(value)),
        None => layer.data_dir.as_ref().map(|_| Origin::DataDirectory),
    };
    layers.iter().find_map(origin).unwrap_or(Origin::Default)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(value: &str) -> Origin<String> {
        Origin::Named(value.to_owned())
    }

    /// Every rank is taken away in turn, the highest first.
    #[test]
    fn flag_then_strongroom_then_oci_then_file() {
        let mut flags = Connection {
            endpoint: Some("flag".to_owned()),
            config_file: Some("flag".into()),
            profile: Some("flag".to_owned()),
            ..Connection::default()
        };
        let mut environment = Environment {
            endpoint: Some("strongroom".to_owned()),
            config_file: Some("strongroom".to_owned()),
            profile: Some("strongroom".to_owned()),
            oci_endpoint: Some("oci".to_owned()),
            oci_config_file: Some("oci".to_owned()),
            oci_profile: Some("oci".to_owned()),
            ..Environment::default()
        };
        let mut configuration = Configuration {
            endpoint: Some("file".to_owned()),
            config_file: Some("file".to_owned()),
            profile: Some("file".to_owned()),
            ..Configuration::default()
        };
        for step in 0..5 {
            let rank = ["flag", "strongroom", "oci", "file", ""][step];
            let settings = Settings::settle(&flags, &environment, &configuration);
            if rank.is_empty() {
                assert!(settings.name_nothing());
                break;
            }
            assert_eq!(settings.endpoint, named(rank));
            assert_eq!(settings.config_file, Origin::Named(rank.into()));
            assert_eq!(settings.profile, named(rank));
            assert!(!settings.name_nothing());
            match step {
                0 => flags = Connection::default(),
                1 => {
                    environment.endpoint = None;
                    environment.config_file = None;
                    environment.profile = None;
                }
                2 => environment = Environment::default(),
                _ => configuration = Configuration::default(),
            }
        }
    }

    #[test]
    fn a_data_directory_stands_in_at_its_own_rank() {
        let environment = Environment {
            data_dir: Some("~/dev".to_owned()),
            home: Some("/home/a".to_owned()),
            oci_endpoint: Some("oci".to_owned()),
            oci_config_file: Some("oci".to_owned()),
            oci_profile: Some("oci".to_owned()),
            ..Environment::default()
        };
        let none = Configuration::default();
        let settle = |flags: &Connection| Settings::settle(flags, &environment, &none);
        let settings = settle(&Connection::default());
        assert_eq!(settings.endpoint, Origin::DataDirectory);
        assert_eq!(settings.config_file, Origin::DataDirectory);
        assert_eq!(settings.profile, Origin::DataDirectory);
        assert_eq!(settings.data_dir, Some("/home/a/dev".into()));
        let settings =
            settle(&Connection { endpoint: Some("flag".to_owned()), ..Connection::default() });
        assert_eq!(settings.endpoint, named("flag"));
        assert_eq!(settings.config_file, Origin::DataDirectory);
        let flags = Connection { data_dir: Some("other".into()), ..Connection::default() };
        assert_eq!(settle(&flags).data_dir, Some("other".into()));
    }
}
