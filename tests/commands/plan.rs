//! `plan`: what the operator would do, and what it then does.

use harness::Vmc;
use serde_json::{Value, json};
use vod_endpoint::{Behaviour, Fault, How, KEY_ID, KEY_SECRET, ShowKey};

use crate::cli::Done;
use crate::stage::{REGION, Stage, URL, app, done, fed};

const OTHER: &str = "https://other.example.com/vod";

/// The plan as programs read it.
fn report(done: &Done) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"))
}

/// `name: action` of each resource.
fn actions(done: &Done) -> Vec<String> {
    let report = report(done);
    let all = report["resources"].as_array().unwrap().iter();
    all.map(|r| format!("{}: {}", r["name"].as_str().unwrap(), r["action"].as_str().unwrap()))
        .collect()
}

fn write(stage: &Stage, name: &str, all: &[&Vmc]) -> String {
    let text: Vec<String> = all.iter().map(|vmc| vmc.to_yaml()).collect();
    stage.dir.write(name, &text.join("---\n"))
}

/// Contract 8 and issue 13: what plan says, apply does. Before the operator runs and while it does; and each plan's
/// calls are the calls that are then made.
#[tokio::test(flavor = "multi_thread")]
async fn what_plan_says_apply_does() {
    let stage = Stage::set().await;
    let set = |url: &str| {
        [
            ("CallbackType", "HTTP"),
            ("CallbackURL", url),
            ("EventTypeList", "FileUploadComplete"),
            ("AuthSwitch", "off"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
    };
    for (name, url) in [("equal", URL), ("differs", OTHER), ("observed", OTHER)] {
        let fields = set(url);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        stage.put(REGION, &app(name), &fields);
    }
    let all = [
        stage.http("equal"),
        stage.http("differs"),
        stage.http("observed").management_policy("Observe"),
        stage.http("new"),
        stage.http("paused").suspend(true),
    ];
    let refs: Vec<&Vmc> = all.iter().collect();
    let file = write(&stage, "all.yaml", &refs);
    let planned = done(stage.command(&["plan", "-f", &file, "-o", "json"])).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    let expected = [
        "equal: none",
        "differs: set",
        "observed: differ",
        "new: set",
        "paused: none",
    ];
    assert_eq!(actions(&planned), expected);
    assert_eq!(
        stage.made("SetMessageCallback") + stage.made("DeleteMessageCallback"),
        0
    );
    assert!(
        stage.cluster.vmc(&stage.ns, "new").await.unwrap().is_none(),
        "nothing is applied"
    );

    let text = done(stage.command(&["plan", "-f", &file])).await;
    assert!(
        text.stdout.contains(&format!("    ~ http.url  {OTHER:?} → {URL:?}")),
        "{text:?}"
    );
    assert!(
        text.stdout.contains("+ eventTypes    \"FileUploadComplete\""),
        "{text:?}"
    );
    assert!(
        text.stdout
            .ends_with("\nPlan: 2 to set, 0 to delete, 2 unchanged, 1 left as found.\n"),
        "{text:?}"
    );

    for vmc in &all {
        stage.apply(vmc).await;
    }
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for name in ["equal", "differs", "observed", "new"] {
        stage.cluster.wait_ready(&stage.ns, name).await.unwrap();
    }
    assert_eq!(stage.made("SetMessageCallback"), 2, "as it was planned");

    // At rest nothing is planned; an edit is one change, drift is one, a deletion one.
    let rest = done(stage.command(&["plan", "-n", &stage.ns, "-o", "json"])).await;
    assert!(actions(&rest).iter().all(|a| !a.ends_with("set")), "{rest:?}");
    let edited = write(
        &stage,
        "edited.yaml",
        &[&stage.http("new").events(["TranscodeComplete"])],
    );
    let one = done(stage.command(&["plan", "-f", &edited])).await;
    assert_eq!(one.code, 1, "{one:?}");
    assert!(one.stdout.contains("- eventTypes  \"FileUploadComplete\""), "{one:?}");
    assert!(one.stdout.contains("+ eventTypes  \"TranscodeComplete\""), "{one:?}");
    assert!(
        one.stdout.ends_with("Plan: 1 to set, 0 to delete, 0 unchanged.\n"),
        "{one:?}"
    );
    stage.apply(&stage.http("new").events(["TranscodeComplete"])).await;
    harness::eventually("the change is made", async || stage.made("SetMessageCallback") == 3)
        .await
        .unwrap();
    stage.ready("new", "Applied").await;
    let again = done(stage.command(&["plan", "-f", &edited])).await;
    assert_eq!(again.code, 0, "{again:?}");
    assert!(
        again.stdout.ends_with("Plan: 0 to set, 0 to delete, 1 unchanged.\n"),
        "{again:?}"
    );

    stage.put(REGION, &app("equal"), &[("CallbackURL", OTHER)]);
    let drift = done(stage.command(&["plan", "-n", &stage.ns, "-o", "json"])).await;
    assert!(actions(&drift).contains(&"equal: set".to_owned()), "{drift:?}");
    assert!(drift.stdout.contains("somebody else changed it"), "{drift:?}");
}

/// A deletion that waits is planned too.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_one_delete_unless_its_policy_says_otherwise() {
    let stage = Stage::set().await;
    for (name, policy) in [("goes", "Delete"), ("stays", "Retain"), ("foreign", "Delete")] {
        stage.apply(&stage.http(name).deletion_policy(policy)).await;
    }
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    for name in ["goes", "stays", "foreign"] {
        stage.cluster.wait_ready(&stage.ns, name).await.unwrap();
    }
    operator.sigterm_and_wait().await.unwrap();
    stage.put(REGION, &app("foreign"), &[("CallbackURL", OTHER)]);
    for name in ["goes", "stays", "foreign"] {
        stage.cluster.delete_vmc(&stage.ns, name).await.unwrap();
    }
    let planned = done(stage.command(&["plan", "-n", &stage.ns, "-o", "json"])).await;
    assert_eq!(
        actions(&planned),
        ["foreign: differ", "goes: delete", "stays: none"],
        "{planned:?}"
    );
    let _operator = stage.operator(&[]).await;
    for name in ["goes", "stays", "foreign"] {
        stage.cluster.wait_gone(&stage.ns, name).await.unwrap();
    }
    assert_eq!(stage.made("DeleteMessageCallback"), 1, "as it was planned");
}

/// A manifest of the Secret `key` with this AuthKey.
fn key_file(stage: &Stage, key: &str) -> String {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "key", "namespace": stage.ns },
        "stringData": { "authKey": key },
    });
    stage.dir.write("secret.yaml", &secret.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auth_key_of_the_files_or_of_the_cluster_is_never_shown() {
    let stage = Stage::set().await;
    stage
        .cluster
        .secret(&stage.ns, "key", &[("authKey", "OldSecret1")])
        .await
        .unwrap();
    let signed = stage.http("signed").auth("key", "authKey");
    let file = write(&stage, "signed.yaml", &[&signed]);
    let secret = |key: &str| key_file(&stage, key);
    stage.apply(&signed).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.cluster.wait_ready(&stage.ns, "signed").await.unwrap();
    for mask in [false, true] {
        stage.endpoint.world().behaviour = Behaviour {
            key: if mask { ShowKey::Masked } else { ShowKey::Clear },
            ..Behaviour::default()
        };
        let same = secret("OldSecret1");
        for args in [&["plan", "-f", &file][..], &["plan", "-f", &file, "-f", &same]] {
            let planned = done(stage.command(args)).await;
            assert_eq!(planned.code, 0, "masked {mask}: {planned:?}");
        }
        let other = secret("NewSecret2");
        let planned = done(stage.command(&["plan", "-f", &file, "-f", &other])).await;
        assert_eq!(planned.code, 1, "masked {mask}: {planned:?}");
        let shown = planned
            .stdout
            .contains("~ http.auth.keySecretRef  (redacted) → (redacted)");
        assert_eq!(shown, !mask, "{planned:?}");
        let bad = secret("nocapital1");
        let bad = done(stage.command(&["plan", "-f", &file, "-f", &bad])).await;
        assert!(bad.stdout.contains("InvalidAuthKey"), "{bad:?}");
        for done in [&planned, &bad] {
            let all = format!("{done:?}");
            for word in ["OldSecret1", "NewSecret2", "nocapital1", KEY_ID, KEY_SECRET] {
                assert!(!all.contains(word), "{word} in {all}");
            }
        }
    }
}

/// A rotation in Git is often the Secret alone.
#[tokio::test(flavor = "multi_thread")]
async fn resources_whose_secret_a_file_changes_are_planned_with_it() {
    let stage = Stage::set().await;
    stage
        .cluster
        .secret(&stage.ns, "key", &[("authKey", "OldSecret1")])
        .await
        .unwrap();
    stage.apply(&stage.http("rotated").auth("key", "authKey")).await;
    stage.apply(&stage.http("unsigned")).await;
    let _operator = stage.operator(&["--check-interval", "1h"]).await;
    for name in ["rotated", "unsigned"] {
        stage.cluster.wait_ready(&stage.ns, name).await.unwrap();
    }
    for (key, expected, code) in [("OldSecret1", &[][..], 0), ("NewSecret2", &["rotated: set"], 1)] {
        let file = key_file(&stage, key);
        let planned = done(stage.command(&["plan", "-f", &file, "-o", "json"])).await;
        assert_eq!(actions(&planned), expected, "{planned:?}");
        assert_eq!(planned.code, code);
    }
}

/// The next one takes over, and so it is planned: it finds nothing, or what a policy left.
#[tokio::test(flavor = "multi_thread")]
async fn the_heir_of_a_resource_that_goes_is_planned_as_if_it_were_gone() {
    let stage = Stage::set().await;
    for (app, policy) in [("goes", "Delete"), ("stays", "Retain")] {
        stage.apply(&stage.http(app).app_id(app).deletion_policy(policy)).await;
    }
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    for name in ["goes", "stays"] {
        stage.cluster.wait_ready(&stage.ns, name).await.unwrap();
    }
    let heirs = ["goes", "stays"].map(|app| stage.http(&format!("{app}-heir")).app_id(app));
    for heir in &heirs {
        stage.apply(heir).await;
    }
    for name in ["goes-heir", "stays-heir"] {
        let conflict = ("Ready", "False", "Conflict");
        stage.cluster.wait_condition(&stage.ns, name, conflict).await.unwrap();
    }
    operator.sigterm_and_wait().await.unwrap();
    for name in ["goes", "stays"] {
        stage.cluster.delete_vmc(&stage.ns, name).await.unwrap();
    }
    let planned = done(stage.command(&["plan", "-n", &stage.ns, "-o", "json"])).await;
    assert_eq!(
        actions(&planned),
        ["goes: delete", "goes-heir: set", "stays: none", "stays-heir: none"],
        "{planned:?}"
    );
    let message = report(&planned)["resources"][1]["message"].clone();
    let expected = format!("once {}/goes, which is being deleted, is gone: ", stage.ns);
    assert!(message.as_str().unwrap().starts_with(&expected), "{message}");
    let sets = stage.made("SetMessageCallback");
    let _operator = stage.operator(&[]).await;
    for name in ["goes-heir", "stays-heir"] {
        stage.cluster.wait_ready(&stage.ns, name).await.unwrap();
    }
    assert_eq!(stage.made("DeleteMessageCallback"), 1, "as it was planned");
    assert_eq!(stage.made("SetMessageCallback"), sets + 1, "as it was planned");
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_among_the_files_and_with_the_cluster() {
    let stage = Stage::set().await;
    stage.apply(&stage.http("stored").app_id("shared")).await;
    let operator = stage.operator(&["--check-interval", "1h"]).await;
    stage.cluster.wait_ready(&stage.ns, "stored").await.unwrap();
    drop(operator);
    let files = [
        stage.http("late").app_id("shared"),
        stage.http("one").app_id("free"),
        stage.http("two").app_id("free"),
        stage.http("looks").app_id("free").management_policy("Observe"),
    ];
    let refs: Vec<&Vmc> = files.iter().collect();
    let file = write(&stage, "conflicts.yaml", &refs);
    let planned = done(stage.command(&["plan", "-f", &file, "-o", "json"])).await;
    assert_eq!(
        actions(&planned),
        ["late: stall", "one: set", "two: stall", "looks: differ"]
    );
    let report = report(&planned);
    for (index, owner) in [(0, "stored"), (2, "one")] {
        let item = &report["resources"][index];
        assert_eq!(item["reason"], "Conflict");
        assert!(
            item["message"]
                .as_str()
                .unwrap()
                .contains(&format!("{}/{owner}", stage.ns)),
            "{item}"
        );
    }
    // The cluster's own is not in conflict with what only a file has.
    let stored = write(
        &stage,
        "stored.yaml",
        &[
            &stage.http("late").app_id("shared"),
            &stage.http("stored").app_id("shared"),
        ],
    );
    let planned = done(stage.command(&["plan", "-f", &stored, "-o", "json"])).await;
    assert_eq!(actions(&planned), ["late: stall", "stored: none"]);
    // What the API server would refuse is no plan.
    let moved = write(&stage, "moved.yaml", &[&stage.http("stored").app_id("another")]);
    let planned = done(stage.command(&["plan", "-f", &moved])).await;
    assert_eq!(planned.code, 1);
    assert!(planned.stdout.contains("appId cannot be changed"), "{planned:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stalls_and_what_cannot_be_found_out() {
    let stage = Stage::set().await;
    let lost = write(&stage, "lost.yaml", &[&stage.http("lost").secret("missing")]);
    let planned = done(stage.command(&["plan", "-f", &lost])).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    assert!(
        planned.stdout.contains("SecretNotFound: Secret missing does not exist"),
        "{planned:?}"
    );

    stage.cluster.access_key(&stage.ns, KEY_ID, "wrong").await.unwrap();
    let wrong = write(&stage, "wrong.yaml", &[&stage.http("wrong")]);
    let planned = done(stage.command(&["plan", "-f", &wrong])).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    assert!(planned.stdout.contains("InvalidCredentials: "), "{planned:?}");

    // Another's credentials stand for all that are named.
    stage
        .cluster
        .secret(
            &stage.ns,
            "good",
            &[("accessKeyId", KEY_ID), ("accessKeySecret", KEY_SECRET)],
        )
        .await
        .unwrap();
    let good = format!("{}/good", stage.ns);
    let planned = done(stage.command(&["plan", "-f", &wrong, "--credentials-secret", &good])).await;
    assert!(planned.stdout.contains("Plan: 1 to set"), "{planned:?}");

    let down = Fault::always(How::Garbage { status: 502 }).action("GetMessageCallback");
    stage.endpoint.world().faults.push(down.times(100));
    let none = write(&stage, "none.yaml", &[&stage.http("none").without("credentials")]);
    let unknown = done(stage.command(&["plan", "-f", &none])).await;
    assert_eq!(unknown.code, 3, "{unknown:?}");
    assert!(unknown.stdout.contains("no credentials were found"), "{unknown:?}");
    stage.endpoint.world().faults.clear();
    let own = done(stage.with_key(&["plan", "-f", &none])).await;
    assert_eq!(own.code, 1, "{own:?}");
    assert!(own.stderr.contains("your own credentials"), "{own:?}");
}

/// A job of a pipeline that has no cluster at hand plans against the live service alone.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_cluster_and_from_stdin() {
    let stage = Stage::set().await;
    let mut command = stage.with_key(&["plan", "-f", "-", "-o", "yaml"]);
    command.env("KUBECONFIG", stage.dir.path("none"));
    let planned = fed(command, &stage.http("piped").to_yaml()).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    assert!(planned.stdout.contains("action: set"), "{planned:?}");
    assert!(planned.stderr.contains("no cluster was found"), "{planned:?}");

    // The Secret with the AuthKey is in no repository: what can be compared is compared.
    let fields = [
        ("CallbackType", "HTTP"),
        ("EventTypeList", "FileUploadComplete"),
        ("AuthSwitch", "on"),
        ("AuthKey", "InForce123"),
    ];
    stage.put(REGION, &app("signed"), &fields);
    for (url, show, code, words) in [
        (URL, ShowKey::Clear, 3, "whether it is the right one cannot be told"),
        (URL, ShowKey::Hidden, 1, "the service hides the AuthKey"),
        (URL, ShowKey::Masked, 1, "the service hides the AuthKey"),
        (OTHER, ShowKey::Clear, 1, "~ http.url"),
    ] {
        stage.endpoint.world().behaviour.key = show;
        stage.put(REGION, &app("signed"), &[("CallbackURL", url)]);
        let mut command = stage.with_key(&["plan", "-f", "-"]);
        command.env("KUBECONFIG", stage.dir.path("none"));
        let signed = fed(command, &stage.http("signed").auth("elsewhere", "authKey").to_yaml()).await;
        assert_eq!(signed.code, code, "{signed:?}");
        assert!(
            signed.stdout.contains(words) && !signed.stdout.contains("keySecretRef"),
            "{signed:?}"
        );
    }

    // What is named and cannot be used is not the same as nothing.
    let mut command = stage.with_key(&["plan", "-f", "-"]);
    command.env("KUBECONFIG", stage.dir.write("no-kubeconfig", "nonsense"));
    let unusable = fed(command, &stage.http("piped").to_yaml()).await;
    assert_eq!(unusable.code, 3, "{unusable:?}");
}

/// They say nothing of what the operator may do with its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_callers_own_credentials_that_are_refused_are_no_finding() {
    let stage = Stage::set().await;
    let plan = async |code: &str| {
        stage
            .endpoint
            .world()
            .faults
            .push(Fault::code(403, code).action("GetMessageCallback"));
        let mut command = stage.with_key(&["plan", "-f", "-"]);
        command.env("KUBECONFIG", stage.dir.path("none"));
        let planned = fed(command, &stage.http("piped").secret("theirs").to_yaml()).await;
        stage.endpoint.world().faults.clear();
        planned
    };
    for code in ["InvalidAccessKeyId.NotFound", "Forbidden.RAM"] {
        let planned = plan(code).await;
        assert_eq!(planned.code, 3, "{planned:?}");
        assert!(
            planned.stdout.contains("your own credentials were refused"),
            "{planned:?}"
        );
        assert!(planned.stdout.contains(code), "{planned:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_cannot_be_one_is_wrong_usage() {
    let stage = Stage::set().await;
    for command in ["plan", "status"] {
        for namespace in ["", "a/b", "UPPER"] {
            let done = done(stage.command(&[command, "--namespace", namespace])).await;
            assert_eq!(done.code, 2, "{command} {namespace:?}: {done:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_one_clear_line() {
    let stage = Stage::set().await;
    let broken = stage.dir.write("broken.yaml", "a: [");
    let fax = stage
        .dir
        .write("fax.yaml", &stage.http("fax").field("callbackType", "FAX").to_yaml());
    let missing = stage.dir.path("missing.yaml");
    for (file, words) in [(&broken, "broken.yaml:"), (&missing, "missing.yaml")] {
        done(stage.command(&["plan", "-f", file])).await.is_refused(3, words);
    }
    let refused = done(stage.command(&["plan", "-f", &fax])).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    let lines: Vec<&str> = refused.stderr.lines().collect();
    assert!(
        lines[0].contains("fax.yaml:") && lines[0].contains("callbackType"),
        "{refused:?}"
    );
    assert_eq!(
        lines.last(),
        Some(&"error: the API server would refuse this, so there is nothing to plan")
    );
    // A program finds in the result what people find beside it.
    let refused = done(stage.command(&["plan", "-f", &fax, "-o", "json"])).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    let told = report(&refused);
    assert_eq!(told["summary"]["refuse"], 1);
    assert_eq!(told["resources"][0]["name"], "fax");
    assert_eq!(told["resources"][0]["action"], "refuse");
    let mut nowhere = stage.command(&["plan"]);
    nowhere.env("KUBECONFIG", stage.dir.path("none"));
    done(nowhere).await.is_refused(3, "no cluster was found");
    assert_eq!(done(stage.command(&["plan", "-A", "-f", &broken])).await.code, 2);

    let other = stage
        .dir
        .write("other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n");
    let nothing = done(stage.command(&["plan", "-f", &other])).await;
    assert_eq!(
        (nothing.code, nothing.stdout.as_str()),
        (0, "Plan: 0 to set, 0 to delete, 0 unchanged.\n"),
        "{nothing:?}"
    );
    assert!(nothing.stderr.contains("no VodMessageCallback to plan"));
}

/// Many resources: within the quota, resources of one setting share a read, and it is said how far it is.
#[tokio::test(flavor = "multi_thread")]
async fn many_are_read_within_the_quota() {
    let stage = Stage::set().await;
    let all: Vec<Vmc> = (0..60)
        .map(|n| stage.http(&format!("n{n}")).app_id(&format!("app-{}", n % 30)))
        .collect();
    let refs: Vec<&Vmc> = all.iter().collect();
    let file = write(&stage, "many.yaml", &refs);
    let planned = done(stage.command(&["plan", "-f", &file])).await;
    assert!(
        planned
            .stdout
            .ends_with("Plan: 30 to set, 0 to delete, 0 unchanged, 30 stalled.\n"),
        "{planned:?}"
    );
    assert!(planned.stderr.contains("60 of 60 resources"), "{planned:?}");
    let world = stage.endpoint.world();
    let reads = world.calls().iter().filter(|c| c.action == "GetMessageCallback");
    assert_eq!(
        reads.clone().count(),
        30,
        "one for each setting that has an owner among them"
    );
    assert!(reads.clone().all(|call| call.code == "OK"), "never throttled");
}
