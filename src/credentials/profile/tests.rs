use std::os::unix::fs::PermissionsExt as _;

use secrecy::ExposeSecret as _;

use super::*;

/// A home directory with the tool's file in it, removed when the test ends.
struct Home(PathBuf);

impl Home {
    fn with(text: &str) -> Self {
        let home = std::env::temp_dir().join(format!("vod-operator-home-{:x}", rand::random::<u64>()));
        std::fs::create_dir_all(home.join(".aliyun")).unwrap();
        let this = Self(home);
        std::fs::write(this.file(), text).unwrap();
        this.allow(0o600);
        this
    }

    fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }

    fn allow(&self, mode: u32) {
        std::fs::set_permissions(self.file(), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn var(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| self.0.display().to_string())
    }

    fn read(&self, name: Option<&str>) -> Result<Found, ProfileError> {
        read(|var| self.var(var), name)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const FOUR: &str = r#"{
    "current": "sts",
    "profiles": [
        { "name": "default", "mode": "AK", "access_key_id": "ExampleId", "access_key_secret": "ExampleSecret",
          "sts_token": "", "region_id": "cn-shanghai", "retry_count": 0 },
        { "name": "sts", "mode": "StsToken", "access_key_id": "ExampleId", "access_key_secret": "ExampleSecret",
          "sts_token": "ExampleToken" },
        { "name": "role", "mode": "RamRoleArn", "access_key_id": "ExampleId", "access_key_secret": "ExampleSecret",
          "ram_role_arn": "acs:ram::1234567890123456:role/vod", "ram_session_name": "me", "expired_seconds": 900 },
        { "name": "ecs", "mode": "EcsRamRole", "ram_role_name": "node" },
        { "name": "sso", "mode": "CloudSSO" },
        { "name": "half", "mode": "AK", "access_key_id": "ExampleId" },
        { "name": "", "mode": "" }
    ],
    "meta_path": ""
}"#;

#[test]
fn the_four_modes_and_the_current_profile() {
    let home = Home::with(FOUR);
    let token = |profile: Profile| match profile {
        Profile::Key(key) => key.security_token.map(|token| token.expose_secret().to_owned()),
        other => panic!("{other:?}"),
    };
    let current = home.read(None).unwrap();
    assert_eq!(current.warning, None);
    assert_eq!(token(current.profile).as_deref(), Some("ExampleToken"));
    assert_eq!(token(home.read(Some("default")).unwrap().profile), None);
    match home.read(Some("role")).unwrap().profile {
        Profile::Role { key, role } => {
            assert_eq!(key.access_key_id.expose_secret(), "ExampleId");
            assert_eq!(role.role_arn, "acs:ram::1234567890123456:role/vod");
            assert_eq!((role.session_name.as_str(), role.external_id), ("me", None));
        }
        other => panic!("{other:?}"),
    }
    match home.read(Some("ecs")).unwrap().profile {
        Profile::EcsRole(name) => assert_eq!(name.as_deref(), Some("node")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_others_may_read_is_warned_of() {
    let home = Home::with(FOUR);
    home.allow(0o644);
    let warning = home.read(None).unwrap().warning.unwrap();
    assert!(
        warning.contains("chmod 600") && warning.contains("config.json"),
        "{warning}"
    );
}

/// As some editors write it.
#[test]
fn a_byte_order_mark_is_no_trouble() {
    let marked = Home::with(&format!("\u{feff}{FOUR}"));
    assert!(marked.read(None).is_ok());
}

#[test]
fn what_is_broken_or_missing_is_named_and_no_secret_shown() {
    let home = Home::with(FOUR);
    let said = |result: Result<Found, ProfileError>| result.unwrap_err().to_string();
    let none = said(home.read(Some("nobody")));
    assert!(
        none.contains("\"nobody\"") && none.contains("default, sts, role"),
        "{none}"
    );
    let mode = said(home.read(Some("sso")));
    assert!(mode.contains("CloudSSO") && mode.contains("EcsRamRole"), "{mode}");
    let half = said(home.read(Some("half")));
    assert!(
        half.contains("access_key_secret") && half.contains("aliyun configure"),
        "{half}"
    );
    assert!(said(read(|_| None, None)).contains("HOME"));
    assert!(!exists(|_| None) && exists(|name| home.var(name)));

    let broken = Home::with(r#"{ "profiles": [{ "name": "x", "access_key_secret": ExampleSecret }] }"#);
    let told = said(broken.read(None));
    assert!(told.contains("line 1") && !told.contains("ExampleSecret"), "{told}");
    let wrong_type =
        Home::with(r#"{ "profiles": [{ "name": "x", "access_key_secret": "ExampleSecret", "mode": 7 }] }"#);
    let told = said(wrong_type.read(None));
    assert!(told.contains("line 1") && !told.contains("ExampleSecret"), "{told}");

    let away = Home::with("{}");
    assert!(said(away.read(None)).contains("it has: none"));
    std::fs::remove_file(away.file()).unwrap();
    assert!(said(away.read(None)).contains("does not exist"));
}

#[test]
fn a_profile_is_never_printed_with_its_secrets() {
    let home = Home::with(FOUR);
    for name in ["default", "sts", "role"] {
        let shown = format!("{:?}", home.read(Some(name)).unwrap());
        assert!(
            !shown.contains("ExampleSecret") && !shown.contains("ExampleToken") && !shown.contains("ExampleId"),
            "{shown}"
        );
    }
}
