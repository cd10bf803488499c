use super::*;

#[test]
fn debug_hides_the_pin() {
    let config = TokenConfig {
        module: "/m.so".into(),
        label: "t".to_owned(),
        pin: Sensitive::new(b"1234".to_vec()),
        sessions: 1,
    };
    assert_eq!(format!("{config:?}"), "TokenConfig { module: \"/m.so\", label: \"t\", .. }");
}

#[test]
fn a_module_that_is_not_there_is_unavailable() {
    let config = TokenConfig {
        module: "/nowhere.so".into(),
        label: "t".to_owned(),
        pin: Sensitive::new(Vec::new()),
        sessions: 1,
    };
    assert!(matches!(Token::start(config), Err(TokenError::Unavailable(_))));
}
