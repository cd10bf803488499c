use serde_json::json;
use strongroom_client::{
    ClientError, EncryptionContext, EncryptionKey, Signature, SigningKey, VaultCrypto,
};
use strongroom_model::{AesLength, EncryptionAlgorithm, MessageType, Sensitive, SigningAlgorithm};

use crate::house::House;

fn refused<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> (u16, String) {
    match outcome {
        Err(ClientError::Service(error)) => (error.status, error.code),
        other => panic!("{other:?}"),
    }
}

/// By the endpoint that the vault is described with, and by the key alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_encrypts_the_other_opens() {
    let house = House::open().await;
    let (vault_id, key_id) = (house.sample.vault_id.to_string(), house.sample.key_id.to_string());
    let of_vault = house.client.crypto_of_vault(&vault_id).await.unwrap();
    let of_key = house.client.crypto_of_key(&key_id).unwrap();
    let key = EncryptionKey { id: &key_id, version_id: None, algorithm: None };
    let plaintext = Sensitive::new((0..=255).collect());
    let associated = [("app".to_owned(), "ä".to_owned())].into();
    let context = EncryptionContext { associated, ..EncryptionContext::default() };
    let sealed = of_vault.encrypt(&key, &plaintext, &context).await.unwrap();
    let opened = of_key.decrypt(&key, &sealed.ciphertext, &context).await.unwrap();
    assert_eq!(opened.content, plaintext);
    assert_eq!(opened.key_version_id, sealed.key_version_id);
    let without = of_key.decrypt(&key, &sealed.ciphertext, &EncryptionContext::default()).await;
    assert_eq!(refused(without), (400, "InvalidParameter".to_owned()));
    let unknown = EncryptionKey { id: &key_id.replace(".abaaaaaa", ".abaaaaab"), ..key };
    let hidden = of_key.encrypt(&unknown, &plaintext, &context).await;
    assert_eq!(refused(hidden), (404, "NotAuthorizedOrNotFound".to_owned()));
    let made = of_key.generate_data_key(&key_id, AesLength::Aes256, true, &context).await.unwrap();
    let opened = of_vault.decrypt(&key, &made.ciphertext, &context).await.unwrap();
    assert_eq!(Some(opened.content), made.plaintext);
    let sealed = of_key.generate_data_key(&key_id, AesLength::Aes256, false, &context).await;
    assert_eq!(sealed.unwrap().plaintext, None);
    let weak = of_key.generate_data_key(&key_id, AesLength::Aes128, true, &context).await;
    assert_eq!(refused(weak), (400, "InvalidParameter".to_owned()));
    house.close().await;
}

async fn signs(crypto: &VaultCrypto, key: &SigningKey<'_>) {
    let signature = crypto.sign(key, b"message").await.unwrap();
    assert!(crypto.verify(key, b"message", &signature).await.unwrap(), "{key:?}");
    assert!(!crypto.verify(key, b"massage", &signature).await.unwrap(), "{key:?}");
    let mut bytes = signature.bytes.clone();
    bytes.rotate_left(1);
    let bent = Signature { bytes, ..signature };
    assert!(!crypto.verify(key, b"message", &bent).await.unwrap(), "{key:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_sign_and_verify() {
    let house = House::open().await;
    let rsa = house.new_key(&json!({ "algorithm": "RSA", "length": 256 })).await;
    let ecdsa = house.new_key(&json!({ "algorithm": "ECDSA", "length": 32 })).await;
    let crypto = house.client.crypto_of_key(&rsa).unwrap();
    for (id, algorithm) in [
        (&rsa, SigningAlgorithm::RsaPssSha256),
        (&rsa, SigningAlgorithm::RsaPkcs1Sha512),
        (&ecdsa, SigningAlgorithm::EcdsaSha256),
    ] {
        signs(&crypto, &SigningKey { id, algorithm, message_type: MessageType::Raw }).await;
    }
    let algorithm = Some(EncryptionAlgorithm::RsaOaepSha256);
    let key = EncryptionKey { id: &rsa, version_id: None, algorithm };
    let context = EncryptionContext::default();
    let plaintext = Sensitive::new(b"s3cr3t".to_vec());
    let sealed = crypto.encrypt(&key, &plaintext, &context).await.unwrap();
    let key = EncryptionKey { version_id: sealed.key_version_id.as_deref(), ..key };
    let opened = crypto.decrypt(&key, &sealed.ciphertext, &context).await.unwrap();
    assert_eq!(opened.content, plaintext);
    house.close().await;
}
