//! `import`: what the service holds, as manifests that change nothing when they are applied.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use vod_endpoint::{Absent, Behaviour, Fault, How, KEY_ID, KEY_SECRET, ShowKey};

use crate::stage::{REGION, Stage, URL, done};

const KEY: &str = "InForce123";

type Fields = &'static [(&'static str, &'static str)];

/// What is set at the service, each for an app of its own.
const SETTINGS: [(&str, Fields); 6] = [
    (
        "plain",
        &[
            ("CallbackType", "HTTP"),
            ("CallbackURL", URL),
            ("EventTypeList", "TranscodeComplete,FileUploadComplete"),
            ("AuthSwitch", "off"),
        ],
    ),
    (
        "all",
        &[
            ("CallbackType", "HTTP"),
            ("CallbackURL", URL),
            ("EventTypeList", "ALL"),
            ("AuthSwitch", "off"),
        ],
    ),
    (
        "none",
        &[
            ("CallbackType", "HTTP"),
            ("CallbackURL", "https://hooks.example.com/?a=b&c=d"),
            ("EventTypeList", ""),
        ],
    ),
    (
        "signed",
        &[
            ("CallbackType", "HTTP"),
            ("CallbackURL", URL),
            ("EventTypeList", "AIComplete"),
            ("AuthSwitch", "on"),
            ("AuthKey", KEY),
        ],
    ),
    (
        "unused",
        &[
            ("CallbackType", "HTTP"),
            ("CallbackURL", URL),
            ("EventTypeList", "AIComplete"),
            ("AuthSwitch", "off"),
            ("AuthKey", KEY),
        ],
    ),
    (
        "queue",
        &[
            ("CallbackType", "MNS"),
            ("MnsEndpoint", "http://1234567.mns.cn-shanghai.aliyuncs.com/"),
            ("MnsQueueName", "vod-events"),
            ("EventTypeList", "ALL"),
            // Left behind by an address that was set before.
            ("CallbackURL", "https://old.example.com/"),
            ("AuthSwitch", "on"),
            ("AuthKey", KEY),
        ],
    ),
];

/// Contract 8: applying what `import` prints makes no Set, however the service words things, but for a hidden key.
#[tokio::test(flavor = "multi_thread")]
async fn applying_it_makes_no_set() {
    let shown = Behaviour {
        sort_events: true,
        expand_all: true,
        ..Behaviour::default()
    };
    let masked = Behaviour {
        key: ShowKey::Masked,
        ..Behaviour::default()
    };
    let hidden = Behaviour {
        key: ShowKey::Hidden,
        expand_all: true,
        ..Behaviour::default()
    };
    for (behaviour, with_key, sets) in [
        (Behaviour::default(), true, 0),
        (shown, false, 0),
        (masked, true, 1),
        (hidden, false, 1),
    ] {
        let case = format!("{behaviour:?}, the key asked for: {with_key}");
        let hides = behaviour.key != ShowKey::Clear;
        let stage = Stage::set().await;
        stage.endpoint.world().behaviour = behaviour;
        let regions = [REGION, "ap-southeast-1"];
        for (app, fields) in SETTINGS {
            stage.put(REGION, app, fields);
        }
        stage.put("ap-southeast-1", "plain", SETTINGS[0].1);
        let key_file = stage.dir.path("keys.yaml");
        let mut args = vec![
            "import",
            "--namespace",
            &stage.ns,
            "--name",
            "found",
            "--credentials",
            "alibaba-cloud",
        ];
        regions.iter().for_each(|region| args.extend(["--region", region]));
        SETTINGS.iter().for_each(|(app, _)| args.extend(["--app-id", app]));
        if with_key {
            args.extend(["--with-auth-key", &key_file]);
        }
        let imported = done(stage.with_key(&args)).await;
        assert_eq!(imported.code, 0, "{case}: {imported:?}");
        assert!(!format!("{imported:?}").contains(KEY), "{case}: {imported:?}");
        assert!(
            imported.stderr.contains("ap-southeast-1, queue: nothing is set"),
            "{case}: {imported:?}"
        );
        assert_eq!(
            imported.stdout.matches("kind: VodMessageCallback").count(),
            7,
            "{case}: {imported:?}"
        );
        let warned = imported.stderr.contains("makes one SetMessageCallback");
        assert_eq!(warned, hides, "{case}: {imported:?}");
        assert_eq!(
            imported.stdout.contains("# here. Applying makes one"),
            hides,
            "{case}: {imported:?}"
        );

        // The user brings the key that is in force where the service did not show it or it was not asked for.
        if with_key && !hides {
            let mode = std::fs::metadata(&key_file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{case}");
            let secrets = std::fs::read_to_string(&key_file).unwrap();
            assert_eq!(secrets.matches(KEY).count(), 2, "{case}: signed and unused");
            kubectl_apply(&stage, &secrets).await;
        } else {
            assert!(!std::path::Path::new(&key_file).exists(), "{case}");
            let name = format!("found-{REGION}-signed-auth-key");
            stage
                .cluster
                .secret(&stage.ns, &name, &[("authKey", KEY)])
                .await
                .unwrap();
        }
        kubectl_apply(&stage, &imported.stdout).await;
        let _operator = stage.operator(&["--check-interval", "1h"]).await;
        for region in regions {
            for (app, _) in SETTINGS.iter().filter(|(app, _)| region == REGION || *app == "plain") {
                stage
                    .cluster
                    .wait_ready(&stage.ns, &format!("found-{region}-{app}"))
                    .await
                    .unwrap();
            }
        }
        assert_eq!(stage.made("SetMessageCallback"), sets, "{case}");
    }
}

async fn kubectl_apply(stage: &Stage, yaml: &str) {
    let done = stage
        .plane
        .kubectl_with_input(&["apply", "-f", "-"], yaml)
        .await
        .unwrap();
    assert!(done.success, "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_set_is_no_failure_however_the_service_says_it() {
    let stage = Stage::set().await;
    for absent in [
        Absent::NoField,
        Absent::Null,
        Absent::Empty,
        Absent::Blank,
        Absent::NotFound,
    ] {
        stage.endpoint.world().behaviour.absent = absent;
        let file = stage.dir.path("keys.yaml");
        let nothing = done(stage.with_key(&["import", "--region", REGION, "--with-auth-key", &file])).await;
        assert_eq!(
            (nothing.code, nothing.stdout.as_str()),
            (0, ""),
            "{absent:?}: {nothing:?}"
        );
        assert!(
            nothing.stderr.contains("cn-shanghai, app-1000000: nothing is set"),
            "{nothing:?}"
        );
        assert!(!std::path::Path::new(&file).exists());
        let json = done(stage.with_key(&["import", "--region", REGION, "-o", "json"])).await;
        let list: Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!((json.code, &list["items"]), (0, &serde_json::json!([])), "{json:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_from_a_secret_of_the_cluster() {
    let stage = Stage::set().await;
    stage.put(REGION, "app-1000000", SETTINGS[0].1);
    let secret = format!("{}/alibaba-cloud", stage.ns);
    let args = [
        "import",
        "--region",
        REGION,
        "-n",
        &stage.ns,
        "--credentials-secret",
        &secret,
        "-o",
        "json",
    ];
    let imported = done(stage.command(&args)).await;
    assert_eq!((imported.code, imported.stderr.as_str()), (0, ""), "{imported:?}");
    let list: Value = serde_json::from_str(&imported.stdout).unwrap();
    let spec = &list["items"][0]["spec"];
    assert_eq!(list["items"][0]["metadata"]["name"], "vod-cn-shanghai-app-1000000");
    assert_eq!(spec["credentials"]["secretRef"]["name"], "alibaba-cloud");
    assert_eq!(
        spec["eventTypes"],
        serde_json::json!(["TranscodeComplete", "FileUploadComplete"])
    );
    assert!(spec.get("managementPolicy").is_none());

    let missing = format!("{}/missing", stage.ns);
    for (name, code, words) in [
        (missing.as_str(), 3, "does not exist in the cluster"),
        ("half", 2, "write it as namespace/name"),
    ] {
        let args = ["import", "--region", REGION, "--credentials-secret", name];
        done(stage.command(&args)).await.is_refused(code, words);
    }
    stage
        .cluster
        .secret(&stage.ns, "half", &[("accessKeyId", KEY_ID)])
        .await
        .unwrap();
    let half = format!("{}/half", stage.ns);
    let args = ["import", "--region", REGION, "--credentials-secret", &half];
    done(stage.command(&args))
        .await
        .is_refused(3, "accessKeySecret is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_of_the_vendors_tool_stands_in_where_nothing_else_does() {
    let stage = Stage::set().await;
    stage.put(REGION, "app-1000000", SETTINGS[0].1);
    std::fs::create_dir_all(stage.dir.path(".aliyun")).unwrap();
    let profiles = serde_json::json!({ "current": "mine", "profiles": [
        { "name": "mine", "mode": "AK", "access_key_id": KEY_ID, "access_key_secret": KEY_SECRET },
        { "name": "wrong", "mode": "AK", "access_key_id": KEY_ID, "access_key_secret": "ExampleGuess" },
    ]});
    let file = stage.dir.write(".aliyun/config.json", &profiles.to_string());
    let mode = |mode| std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    mode(0o600);
    let import = ["import", "--region", REGION];
    let current = done(stage.command(&import)).await;
    assert_eq!(current.code, 0, "{current:?}");
    assert!(!current.stderr.contains("chmod"), "{current:?}");
    let named = |name: &'static str| [&import[..], &["--profile", name]].concat();
    mode(0o644);
    let mine = done(stage.command(&named("mine"))).await;
    assert_eq!(mine.code, 0, "{mine:?}");
    assert!(mine.stderr.contains("chmod 600"), "{mine:?}");
    mode(0o600);
    done(stage.command(&named("nobody")))
        .await
        .is_refused(2, "--profile nobody");
    let wrong = done(stage.with_key(&named("wrong"))).await;
    assert_eq!(wrong.code, 3, "what is named comes before the environment: {wrong:?}");
    assert!(!format!("{wrong:?}").contains("ExampleGuess"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_said_and_the_others_are_printed() {
    let stage = Stage::set().await;
    stage.put(REGION, "good", SETTINGS[0].1);
    stage.put(REGION, "odd", &[("CallbackType", "FAX"), ("EventTypeList", "ALL")]);
    let args = [
        "import",
        "--region",
        REGION,
        "--app-id",
        "good",
        "--app-id",
        "odd",
        "--credentials",
        "x",
    ];
    let odd = done(stage.with_key(&args)).await;
    assert_eq!(odd.code, 1, "{odd:?}");
    assert!(
        odd.stderr.contains("odd: the service reports callback type \"FAX\""),
        "{odd:?}"
    );
    assert_eq!(odd.stdout.matches("kind:").count(), 1, "{odd:?}");

    let denied = Fault::always(How::Code {
        status: 403,
        code: "Forbidden.RAM".into(),
        message: "not authorized: {echo}".into(),
        headers: Vec::new(),
    });
    stage.endpoint.world().faults.push(denied.app("odd"));
    let denied = done(stage.with_key(&args)).await;
    assert_eq!(denied.code, 3, "{denied:?}");
    assert!(denied.stderr.contains("odd: Forbidden.RAM"), "{denied:?}");
    assert_eq!(denied.stdout.matches("kind:").count(), 1, "{denied:?}");
    assert!(!format!("{denied:?}").contains(KEY_SECRET));
    assert!(!format!("{denied:?}").contains(KEY_ID));
    let _ = stage.endpoint.world().faults.pop();

    // What the service holds and no manifest may.
    stage.put(
        REGION,
        "odd",
        &[("CallbackType", "HTTP"), ("CallbackURL", "https://a.example.com/#x")],
    );
    let fragment = done(stage.with_key(&args)).await;
    assert_eq!(fragment.code, 1, "{fragment:?}");
    assert!(fragment.stderr.contains("url must not hold a fragment"), "{fragment:?}");

    // A throttled read is repeated when the service asks for it.
    let throttled = Fault::always(How::Code {
        status: 400,
        code: "Throttling.User".into(),
        message: String::new(),
        headers: vec![("x-acs-retry-after".into(), "100".into())],
    });
    stage
        .endpoint
        .world()
        .faults
        .push(throttled.action("GetMessageCallback").times(2));
    let args = ["import", "--region", REGION, "--app-id", "good"];
    assert_eq!(done(stage.with_key(&args)).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_words_and_missing_credentials_are_one_clear_line() {
    let stage = Stage::set().await;
    let import = |args: &[&str]| {
        let all: Vec<&str> = ["import"].iter().chain(args).copied().collect();
        stage.command(&all)
    };
    done(import(&["--region", REGION]))
        .await
        .is_refused(3, "no credentials were found");
    let there = stage.dir.write("there", "");
    for (args, words) in [
        (&["--region", "Shanghai"][..], "--region"),
        (&["--region", REGION, "--app-id", "a b"], "--app-id"),
        (&["--region", REGION, "--name", "Media"], "--name"),
        (&["--region", REGION, "--namespace", "a.b"], "--namespace"),
        (&["--region", REGION, "--credentials", "a/b"], "--credentials"),
        (&["--region", REGION, "--with-auth-key", &there], "such a file already"),
        (&["--region", REGION, "--with-auth-key", "-"], "needs a file"),
        (&["--region", REGION, "--vod-qps", "0"], "--vod-qps"),
    ] {
        done(import(args)).await.is_refused(2, words);
    }
    assert_eq!(done(import(&[])).await.code, 2);
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "", "nothing is written over");
    assert_eq!(stage.made("GetMessageCallback"), 0, "nothing was asked of the service");
}

/// Two regions that one endpoint serves have one setting, which must not become two resources in conflict.
#[tokio::test(flavor = "multi_thread")]
async fn regions_with_one_setting_are_one_document() {
    let stage = Stage::set().await;
    stage.put(REGION, "app-1000000", SETTINGS[0].1);
    let args = [
        "import",
        "--region",
        REGION,
        "--region",
        "cn-hangzhou",
        "--region",
        REGION,
    ];
    let imported = done(stage.with_key(&args)).await;
    assert_eq!(imported.stdout.matches("kind:").count(), 1, "{imported:?}");
    assert!(
        imported
            .stderr
            .contains("cn-hangzhou, app-1000000: this is the setting of cn-shanghai"),
        "{imported:?}"
    );
}
