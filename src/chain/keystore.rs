//! Encrypted key files (Web3 Secret Storage, version 3), as geth, foundry and wallets write them.

use std::path::Path;

use alloy::signers::k256::elliptic_curve::rand_core::OsRng;
use alloy::signers::local::LocalSigner;
use brizo_receipt::SecretKey;

/// Opens an encrypted key file.
///
/// # Errors
/// A sentence: the file is no keystore, or the password is another. It never holds the password or the key.
pub fn open_keystore(path: &Path, password: &str) -> Result<SecretKey, String> {
    let signer = LocalSigner::decrypt_keystore(path, password).map_err(|_| {
        "the keystore cannot be opened: it is damaged, or the password is another".to_string()
    })?;
    let bytes = zeroize::Zeroizing::new(signer.to_bytes().0);
    SecretKey::from_bytes(&bytes).map_err(|_| "the keystore holds no secp256k1 secret key".to_string())
}

/// Writes a key into a new encrypted file. The caller looks that none is there.
///
/// # Errors
/// A sentence: the file cannot be written.
pub fn write_keystore(path: &Path, key: &SecretKey, password: &str) -> Result<(), String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("the keystore needs a file name")?;
    let bytes = zeroize::Zeroizing::new(key.to_bytes());
    LocalSigner::encrypt_keystore(folder, &mut OsRng, bytes.as_slice(), password, Some(name))
        .map(|_| ())
        .map_err(|e| format!("the keystore cannot be written: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the Web3 Secret Storage definition, test vector "PBKDF2-SHA-256".
    const VECTOR: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":{"c":262144,
        "dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
        "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
        "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;

    #[test]
    fn a_published_keystore_is_opened_and_our_own_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("theirs");
        std::fs::write(&theirs, VECTOR).unwrap();
        let key = open_keystore(&theirs, "testpassword").unwrap();
        let expected = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
        assert_eq!(hex::encode(key.to_bytes()), expected);
        let wrong = open_keystore(&theirs, "testpassworD").unwrap_err();
        assert!(!wrong.contains("testpass") && !wrong.contains("7a28"), "{wrong}");

        let ours = folder.path().join("ours.json");
        write_keystore(&ours, &key, "päßword").unwrap();
        assert!(!std::fs::read_to_string(&ours).unwrap().contains("7a28b5ba"));
        assert_eq!(open_keystore(&ours, "päßword").unwrap().address(), key.address());
    }

    #[test]
    fn what_is_no_keystore_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("empty", ""), ("json", "{}"), ("cut", &VECTOR[..200])] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            assert!(open_keystore(&path, "x").is_err(), "{name}");
        }
        assert!(open_keystore(&folder.path().join("missing"), "x").is_err());
    }
}
