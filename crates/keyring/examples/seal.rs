//! Seals a known content through the whole hierarchy and prints keys and sealed values as JSON.

#![expect(clippy::print_stdout, reason = "an example that is read by a test")]

use std::collections::BTreeMap;

use strongroom_keyring::{
    Binding, Context, Material, Passphrase, RootKey, SystemRandom, root_file,
};
use strongroom_model::{AesLength, KeyShape, Ocid, Sensitive};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: seal DIRECTORY")?;
    let path = std::path::Path::new(&directory).join("root.key");
    let passphrase = Passphrase::new(Sensitive::new(b"correct horse".to_vec()));
    let (tenancy, vault): (Ocid, Ocid) =
        ("ocid1.tenancy.oc1..t".parse()?, "ocid1.vault.oc1.iad.v".parse()?);
    let (version, secret): (Ocid, Ocid) =
        ("ocid1.keyversion.oc1.iad.v.k".parse()?, "ocid1.vaultsecret.oc1.iad.s".parse()?);
    let bound = |object, version| Binding { tenancy: &tenancy, vault: &vault, object, version };
    let root = RootKey::generate(&SystemRandom);
    root_file::create_sealed(&path, &root, &passphrase, &SystemRandom)?;
    let (vault_key, sealed_vault) = root.new_vault_key(&bound(&vault, 1), &SystemRandom)?;
    let made = Material::generate(KeyShape::Aes(AesLength::Aes192), &SystemRandom)?;
    let sealed_master = vault_key.seal_material(&bound(&version, 1), &made, &SystemRandom)?;
    let Material::Symmetric(master) = made else { return Err("not symmetric".into()) };
    let content = master.seal_secret(&bound(&secret, 7), b"known content", &SystemRandom)?;
    let key: Ocid = "ocid1.key.oc1.iad.v.k".parse()?;
    let associated = BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".into(), "1".into())]);
    let asked = Context { key: &key, version: &version, associated: &associated };
    let ciphertext = master.encrypt(&asked, b"known plaintext", &SystemRandom)?;
    println!(
        "{{\"vault\":\"{}\",\"master\":\"{}\",\"data_key\":\"{}\",\"content\":\"{}\",\"ciphertext\":\"{}\"}}",
        hex(sealed_vault.as_bytes()),
        hex(sealed_master.as_bytes()),
        hex(content.data_key.as_bytes()),
        hex(content.content.as_bytes()),
        hex(&ciphertext),
    );
    Ok(())
}
