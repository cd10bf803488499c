use std::sync::LazyLock;

use jiff::Timestamp;
use proptest::prelude::*;
use strongroom_signing::{Claim, Outgoing, PrivateKey, PublicKey, Request, Scope, sign};

use crate::Headers;

static KEY: LazyLock<(PrivateKey, PublicKey)> = LazyLock::new(|| {
    let key = PrivateKey::generate().unwrap();
    let public = key.public().unwrap();
    (key, public)
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_signed_verifies(
        method in prop::sample::select(vec!["GET", "HEAD", "DELETE", "POST", "PUT", "PATCH"]),
        target in "/[!-~]{0,80}",
        host in "[a-z0-9.-]{1,30}(:[0-9]{2,5})?",
        body in prop::collection::vec(any::<u8>(), 0..200),
        seconds in 0..4_000_000_000_i64,
    ) {
        let with_body = matches!(method, "POST" | "PUT" | "PATCH");
        let body = if with_body { body } else { Vec::new() };
        let sent = with_body.then_some(("application/json", body.as_slice()));
        let outgoing = Outgoing { method, target: &target, host: &host, body: sent };
        let now = Timestamp::from_second(seconds).unwrap();
        let key_id = "ocid1.tenancy.oc1..t/ocid1.user.oc1..u/aa:bb";
        let mut headers = Headers::default();
        for (name, value) in sign(&outgoing, key_id, &KEY.0, now).unwrap() {
            headers.set(name, &value);
        }
        let request = Request { method, target: &target, headers: &headers };
        let claim = Claim::read(&request, Scope::Api, now).unwrap();
        prop_assert_eq!(claim.verify(&request, &body, &KEY.1), Ok(()));
    }
}
