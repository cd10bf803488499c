use std::sync::Arc;
use std::time::Duration;

use strongroom_client::{CacheSettings, SecretCache, SecretKey, SecretName, Selector};
use tokio::time::sleep;

use crate::cache_world::Chance;
use crate::script::{FixedClock, Line, answer, start};

const BUNDLE: &str = r#"{"secretId":"s","versionNumber":3,"stages":["CURRENT"],
    "secretBundleContent":{"contentType":"BASE64","content":"c2VjcmV0"}}"#;
const BEGIN: &str = r#"{"cursor":"c1","isReset":false,"changes":[]}"#;
const CHANGE: &str = r#"{"cursor":"c2","isReset":false,"changes":[{"secretId":"s",
    "secretName":"db","vaultId":"v","lifecycleState":"ACTIVE","currentVersionNumber":4,
    "latestVersionNumber":4,"etag":"e"}]}"#;

async fn cached(
    lines: impl IntoIterator<Item = Line>,
) -> (SecretCache<strongroom_client::Client>, crate::script::Script) {
    let (client, script) = start(lines).await;
    let settings = CacheSettings::default();
    let cache = SecretCache::start(client, settings, Arc::new(FixedClock), Chance::new(3)).unwrap();
    (cache, script)
}

/// Over sockets: the feed has nothing, so only the TTL counts.
#[tokio::test]
async fn the_client_is_asked_once_by_identifier_and_once_by_name() {
    let (cache, script) = cached([answer(404, ""), answer(200, BUNDLE), answer(200, BUNDLE)]).await;
    while script.seen().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    let (vault_id, name) = ("v".to_owned(), "db".to_owned());
    let by_name = SecretKey::new(SecretName::InVault { vault_id, name }, Selector::Number(3));
    for _ in 0..3 {
        for key in [&SecretKey::of_id("s"), &by_name] {
            let found = cache.get(key).await.unwrap();
            assert_eq!(found.content().expose(), b"secret");
            assert_eq!(found.bundle().version_number, 3);
        }
    }
    let targets: Vec<_> = script.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(
        targets,
        [
            "/_strongroom/v1/secretChanges?waitSeconds=15",
            "/20190301/secretbundles/s",
            "/20190301/secretbundles/actions/getByName?secretName=db&vaultId=v&versionNumber=3",
        ]
    );
}

/// The feed begins, tells of a change at once, and is asked again from there.
#[tokio::test]
async fn the_feed_is_asked_from_where_it_was() {
    let (cache, script) = cached([answer(200, BEGIN), answer(200, CHANGE), answer(404, "")]).await;
    while script.seen().len() < 3 {
        sleep(Duration::from_millis(1)).await;
    }
    let targets: Vec<_> = script.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets[1], "/_strongroom/v1/secretChanges?waitSeconds=15&after=c1");
    assert_eq!(targets[2], "/_strongroom/v1/secretChanges?waitSeconds=15&after=c2");
    assert_eq!(cache.metrics().entries, 0);
}
