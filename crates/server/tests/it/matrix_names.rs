//! What stands for the names in braces in the rows of the matrix.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use strongroom_keyring::{PublicKey, SystemRandom, wrapping};
use strongroom_model::WrappingAlgorithm;

use crate::house::House;

/// Texts for the names in braces: the house's identifiers, and what earlier answers held.
pub(crate) struct Names(Vec<(String, String)>);

impl Names {
    pub(crate) fn of(house: &House) -> Self {
        let sample = &house.sample;
        let identifiers = [
            ("tenancy", house.founded.tenancy_id.as_str()),
            ("user", house.founded.user_id.as_str()),
            ("compartment", sample.compartment_id.as_str()),
            ("vault", sample.vault_id.as_str()),
            ("key", sample.key_id.as_str()),
            ("secret", sample.secret_id.as_str()),
            ("management", house.management.as_str()),
            ("public", &house.public_key_pem.replace('\n', "\\n")),
        ];
        Self(identifiers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
    }

    /// Learns a text.
    pub(crate) fn tell(&mut self, name: &str, text: &str) {
        self.0.push((name.to_owned(), text.to_owned()));
    }

    /// Learns the texts of an answer; what is known already stays.
    pub(crate) fn learn(&mut self, answer: &Value) {
        let texts = answer.as_object().into_iter().flatten();
        for (name, value) in texts {
            if let Some(text) = value.as_str() {
                self.0.push((name.clone(), text.replace('\n', "\\n")));
            }
            if name == "publicKey" {
                self.0.push(("wrapped".to_owned(), wrapped(value.as_str().unwrap())));
            }
        }
        if let (Some(_), Some(id)) = (answer["groupId"].as_str(), answer["id"].as_str()) {
            self.0.push(("membership".to_owned(), id.to_owned()));
        }
        if let Some(id) = answer["replicaDetails"]["replicationId"].as_str() {
            self.0.push(("replicationId".to_owned(), id.to_owned()));
            let endpoint = answer["managementEndpoint"].as_str().unwrap();
            self.0.push(("replicaManagement".to_owned(), endpoint.to_owned()));
        }
    }

    pub(crate) fn fill(&self, text: &str) -> String {
        let filled = |text: String, (name, value): &(String, String)| {
            text.replace(&format!("{{{name}}}"), value)
        };
        self.0.iter().fold(text.to_owned(), filled)
    }
}

/// An AES-256 key, wrapped for import.
fn wrapped(public_key: &str) -> String {
    let public_key = PublicKey::from_pem(public_key).unwrap();
    let algorithm = WrappingAlgorithm::RsaOaepSha256;
    let bytes = wrapping::wrap(&public_key, algorithm, &[7; 32], &SystemRandom).unwrap();
    STANDARD.encode(bytes)
}
