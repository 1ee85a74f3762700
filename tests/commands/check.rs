//! `check`: offline, and of one mind with the API server.

use serde_json::{Value, json};

use crate::cli::{Dir, run, run_unread, run_with};
use crate::manifests::{accepted, refused};

fn manifest(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "vod-operator.dev/v1alpha1", "kind": "VodMessageCallback",
        "metadata": { "name": name, "namespace": "media" }, "spec": spec,
    })
}

/// The findings of each manifest, by the name it was given.
fn findings(report: &Value, name: &str) -> Vec<String> {
    let all = report["findings"].as_array().unwrap();
    let of_it = all
        .iter()
        .filter(|finding| finding["resource"] == format!("VodMessageCallback media/{name}"));
    let words = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    of_it
        .map(|finding| ["field", "message", "fix"].map(|key| words(finding, key)).join(": "))
        .collect()
}

/// As JSON in printable ASCII, which YAML reads too.
fn escaped(document: &Value) -> String {
    let text = document.to_string();
    text.chars()
        .map(|c| {
            if matches!(c, ' '..='~') {
                c.to_string()
            } else {
                format!("\\u{:04x}", u32::from(c))
            }
        })
        .collect()
}

/// The same table that the API server's test runs: both must say the same of every row.
#[test]
fn whatever_the_api_server_accepts_or_refuses_check_says_the_same() {
    let (accepted, refused) = (accepted(), refused());
    assert!(accepted.len() + refused.len() >= 100);
    let mut documents = Vec::new();
    for (n, spec) in accepted.iter().enumerate() {
        documents.push(manifest(&format!("accepted-{n}"), spec));
    }
    for (n, (spec, ..)) in refused.iter().enumerate() {
        documents.push(manifest(&format!("refused-{n}"), spec));
    }
    let input: Vec<String> = documents.iter().map(escaped).collect();
    let done = run_with(&["check", "-f", "-", "-o", "json"], &input.join("\n---\n"));
    assert_eq!((done.code, done.stderr.as_str()), (1, ""));
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(report["checked"], documents.len());
    let mut wrong = Vec::new();
    for (n, spec) in accepted.iter().enumerate() {
        let found = findings(&report, &format!("accepted-{n}"));
        if !found.is_empty() {
            wrong.push(format!("must be accepted: {spec}\n{found:?}"));
        }
    }
    for (n, (spec, field, fix)) in refused.iter().enumerate() {
        let found = findings(&report, &format!("refused-{n}"));
        if !found
            .iter()
            .any(|finding| finding.contains(field) && finding.contains(fix))
        {
            wrong.push(format!("{spec}\nmust name {field} and {fix}:\n{found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

const SOUND: &str = "\
apiVersion: vod-operator.dev/v1alpha1
kind: VodMessageCallback
metadata:
  name: media-events
  namespace: media
spec:
  region: cn-shanghai
  credentials:
    secretRef:
      name: alibaba-cloud
  callbackType: HTTP
  http:
    url: https://hooks.example.com/vod
    auth:
      keySecretRef:
        name: vod-callback-auth
  eventTypes: [TranscodeComplete]
";

#[test]
fn a_finding_has_its_place_its_message_and_its_fix() {
    let dir = Dir::new();
    let text = SOUND
        .replace("cn-shanghai", "Shanghai")
        .replace("https://hooks", "https://me:pw@hooks")
        .replace("  http:\n", "  suspend: 'no'\n  htp: {}\n  http:\n");
    let file = dir.write("a.yaml", &text);
    let done = run(&["check", "-f", &file]);
    assert_eq!(done.code, 1);
    let title = "VodMessageCallback media/media-events";
    let expected = [
        (7, 11, "spec.region: region must look like cn-shanghai"),
        (
            12,
            12,
            "spec.suspend: must be a boolean, not a string: write true or false, without quotes",
        ),
        (13, 3, "spec.htp: unknown field: remove it, or use one of"),
        (
            15,
            10,
            "spec.http.url: url must not hold user info (user:password@): remove it",
        ),
    ];
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{}", done.stdout);
    for (line, (row, column, words)) in lines.iter().zip(expected) {
        let start = format!("{file}:{row}:{column}: {title}: {words}");
        assert!(line.starts_with(&start), "{line}\n{start}");
    }
    assert_eq!(done.stderr, "1 VodMessageCallback checked, 4 findings\n");
    assert!(!done.stdout.contains("pw@"), "{}", done.stdout);
}

/// Also of a rule, whose message ends with it; and of the items of a list the one that breaks the rule.
#[test]
fn programs_find_what_to_do_beside_each_message() {
    let dir = Dir::new();
    let text = SOUND.replace("[TranscodeComplete]", "\n  - TranscodeComplete\n  - not one");
    let file = dir.write("a.yaml", &text.replace("cn-shanghai", "Shanghai"));
    let done = run(&["check", "-f", &file, "-o", "json"]);
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let row = |line: &str| text.lines().position(|l| l.contains(line)).map(|n| n + 1);
    for (finding, (line, column, field, fix)) in findings.iter().zip([
        ("region:", 11, "spec.region", "two letters, a hyphen"),
        (
            "not one",
            5,
            "spec.eventTypes",
            "each must be 1 to 64 ASCII letters and digits",
        ),
    ]) {
        assert_eq!(finding["line"].as_u64().map(|n| n as usize), row(line), "{finding}");
        assert_eq!((&finding["column"], &finding["field"]), (&json!(column), &json!(field)));
        assert!(finding["fix"].as_str().unwrap().starts_with(fix), "{finding}");
    }
    assert_eq!(findings.len(), 2, "{findings:?}");
}

#[test]
fn sound_manifests_of_files_directories_and_stdin_have_no_finding() {
    let dir = Dir::new();
    let file = dir.write("one/a.yaml", SOUND);
    dir.write(
        "one/b.yml",
        &format!("---\n{SOUND}---\n{}", SOUND.replace("media-events", "more")),
    );
    dir.write("one/notes.txt", "not: [yaml");
    dir.write("one/values.yaml", "replicas: 1\n");
    dir.write("one/more/c.json", &manifest("x", &accepted()[0]).to_string());
    for (args, summary) in [
        (&["-f", &file][..], "1 VodMessageCallback checked, no finding"),
        (
            &["-f", &dir.path("one")],
            "3 VodMessageCallbacks checked, no finding; skipped: 1 other file",
        ),
        (
            &["-R", "-f", &dir.path("one")],
            "4 VodMessageCallbacks checked, no finding; skipped: 1 other file",
        ),
        (&["-f", &file, &file], "2 VodMessageCallbacks checked, no finding"),
    ] {
        let done = run(&[&["check"], args].concat());
        assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{done:?}");
        assert_eq!(done.stderr.trim(), summary);
    }
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [manifest("x", &accepted()[0])] });
    let done = run_with(&["check", "-f", "-"], &list.to_string());
    assert_eq!(
        (done.code, done.stderr.trim()),
        (0, "1 VodMessageCallback checked, no finding")
    );
}

#[test]
fn other_kinds_are_passed_over_with_a_word() {
    let other = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n---\n";
    let done = run_with(&["check", "-f", "-"], &format!("{other}{other}{SOUND}"));
    assert_eq!((done.code, done.stdout.as_str()), (0, ""));
    assert_eq!(
        done.stderr.trim(),
        "1 VodMessageCallback checked, no finding; skipped: 2 Deployments"
    );
}

/// A hook gets whatever files changed, and a directory holds what is no manifest.
#[test]
fn files_that_are_no_manifests_are_passed_over() {
    let dir = Dir::new();
    let kustomization = dir.write("kustomization.yaml", "resources: [a.yaml]\n");
    let done = run(&["check", "-f", &kustomization]);
    assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{done:?}");
    dir.write("template.yaml", "{{- if .Values.x }}\na: [\n{{ end }}\n");
    dir.write(
        "rbac.yaml",
        "rules:\n- apiGroups: [vod-operator.dev]\n{{- if .x }}\n  a: [\n{{ end }}\n",
    );
    dir.write("Chart.yaml", "apiVersion: v2\nname: x\n");
    dir.write("sound.yaml", SOUND);
    let all = run(&["check", "-R", "-f", &dir.path("")]);
    assert_eq!((all.code, all.stdout.as_str()), (0, ""), "{all:?}");
    dir.write("ours.yaml", "apiVersion: vod-operator.dev/v1alpha1\nspec: [\n");
    let broken = run(&["check", "-R", "-f", &dir.path("")]);
    assert!(broken.code == 1 && broken.stdout.contains("ours.yaml"), "{broken:?}");
}

/// What templates write, and what the API server takes.
#[test]
fn odd_but_sound_metadata_is_no_finding() {
    for odd in [
        "labels: {a: }",
        "annotations: {a: }",
        "annotations: {A.b/c: x}",
        "creationTimestamp: null",
        "finalizers: [example.com/x]",
        "ownerReferences: [{apiVersion: v1, kind: Pod, name: x, uid: u1}]",
    ] {
        let done = run_with(
            &["check", "-f", "-"],
            &SOUND.replacen("  namespace:", &format!("  {odd}\n  namespace:"), 1),
        );
        assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{odd}");
    }
}

#[test]
fn the_same_resource_twice_in_a_file_is_a_finding() {
    let other = SOUND.replace("namespace: media", "namespace: other");
    let done = run_with(&["check", "-f", "-"], &format!("{SOUND}---\n{other}---\n{SOUND}"));
    assert_eq!(done.code, 1, "{done:?}");
    assert_eq!(done.stdout.lines().count(), 1, "{done:?}");
    assert!(
        done.stdout.contains("is in <stdin>:1 already: keep one of them"),
        "{done:?}"
    );
    let list = "apiVersion: v1\nkind: List\nitems: {a: 1}\n";
    let done = run_with(&["check", "-f", "-"], list);
    assert!(
        done.code == 1 && done.stdout.contains("items: must be a list"),
        "{done:?}"
    );
}

/// What is wrong around the spec is told, too.
#[test]
fn slips_in_kind_version_and_metadata_are_findings() {
    for (from, to, words) in [
        (
            "dev/v1alpha1",
            "dev/v1",
            "apiVersion: unknown apiVersion \"vod-operator.dev/v1\"",
        ),
        ("vod-operator.dev/", "vod.dev/", "write vod-operator.dev/v1alpha1"),
        ("VodMessageCallback", "VodMessageCallBack", "write VodMessageCallback"),
        ("VodMessageCallback", "Callback", "kind: unknown kind \"Callback\""),
        ("kind: VodMessageCallback\n", "", "kind"),
        (
            "metadata:\n  name: media-events\n",
            "metadata:\n",
            "metadata.name: Required value",
        ),
        (
            "metadata:\n  name: media-events\n  namespace: media\n",
            "",
            "metadata: Required value",
        ),
        (
            "media-events",
            "Media_Events",
            "metadata.name: the value is not well formed",
        ),
        ("namespace: media", "namespace: a.b", "metadata.namespace: the value"),
        (
            "  namespace:",
            "  labels: {a: true}\n  namespace:",
            "metadata.labels.a: must be a string",
        ),
        (
            "  namespace:",
            "  annotations: {'a b': x}\n  namespace:",
            "metadata.annotations.a b: the name",
        ),
        (
            "  namespace:",
            "  labels: {a: 'b c'}\n  namespace:",
            "metadata.labels.a: the value",
        ),
        (
            "  namespace:",
            "  nameSpace: x\n  namespace:",
            "metadata.nameSpace: unknown field",
        ),
        (
            "  namespace:",
            "  labels: []\n  namespace:",
            "metadata.labels: must be a map",
        ),
        ("  namespace:", "  finalizers: x\n  namespace:", "metadata.finalizers: "),
        (
            "  namespace:",
            "  finalizers: ['a b']\n  namespace:",
            "metadata.finalizers[0]: ",
        ),
        (
            "  namespace:",
            "  ownerReferences: [{apiVersion: v1, kind: Pod, name: x}]\n  namespace:",
            "metadata.ownerReferences[0].uid: Required value",
        ),
        ("  namespace:", "  generation: x\n  namespace:", "metadata.generation: "),
        (
            "  namespace:",
            "  creationTimestamp: x\n  namespace:",
            "metadata.creationTimestamp: ",
        ),
        ("spec:", "specs: {}\nspec:", "specs: unknown field"),
        ("spec:", "spec: {}\nspec:", "spec: the field is given twice: keep one"),
        (SOUND, "- a\n- b\n", "no Kubernetes manifest"),
        (SOUND, "replicas: 1\n", "no Kubernetes manifest"),
        (SOUND, "a: [\n", "broken YAML"),
    ] {
        let done = run_with(&["check", "-f", "-"], &SOUND.replacen(from, to, 1));
        assert_eq!(done.code, 1, "{words}: {done:?}");
        assert!(done.stdout.contains(words), "{words}: {done:?}");
        assert!(done.stdout.starts_with("<stdin>:"), "{done:?}");
    }
}

fn secret(name: &str, part: &str, values: &[(&str, &str)]) -> String {
    let values: String = values
        .iter()
        .map(|(key, value)| format!("  {key}: {value}\n"))
        .collect();
    format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: media}}\n{part}:\n{values}")
}

#[test]
fn secrets_in_the_same_files_are_judged_and_never_printed() {
    let id = ("accessKeyId", "ExampleAccessKeyId");
    let ok = secret(
        "alibaba-cloud",
        "stringData",
        &[id, ("accessKeySecret", "ExampleSecret1")],
    );
    let key = secret("vod-callback-auth", "stringData", &[("authKey", "ExampleKey1")]);
    let done = run_with(&["check", "-f", "-"], &format!("{SOUND}{ok}{key}"));
    assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{done:?}");
    for (secret, place, words) in [
        (
            secret("alibaba-cloud", "stringData", &[id]),
            "<stdin>:22:1: Secret media/alibaba-cloud: data.accessKeySecret: ",
            "key accessKeySecret is missing or empty",
        ),
        (
            secret("vod-callback-auth", "stringData", &[("key", "SecretWord1")]),
            "<stdin>:22:1: Secret media/vod-callback-auth: data.authKey: ",
            "VodMessageCallback media/media-events needs it",
        ),
        (
            secret("vod-callback-auth", "stringData", &[("authKey", "secretword")]),
            "<stdin>:23:12: Secret media/vod-callback-auth: stringData.authKey: ",
            "the AuthKey must be 1 to 32 bytes long",
        ),
        (
            // base64 of the same.
            secret("vod-callback-auth", "data", &[("authKey", "c2VjcmV0d29yZA==")]),
            "<stdin>:23:12: Secret media/vod-callback-auth: data.authKey: ",
            "the AuthKey must be",
        ),
        (
            secret("vod-callback-auth", "data", &[("authKey", "SecretWord1!")]),
            "<stdin>:23:12: Secret media/vod-callback-auth: data.authKey: ",
            "must be base64: encode it, or write it under stringData",
        ),
        (
            secret("vod-callback-auth", "stringData", &[("authKey", "12345678")]),
            "<stdin>:23:12: Secret media/vod-callback-auth: stringData.authKey: ",
            "must be a string: put it in quotes",
        ),
    ] {
        let done = run_with(&["check", "-f", "-"], &format!("{SOUND}{secret}"));
        assert_eq!((done.code, done.stdout.lines().count()), (1, 1), "{done:?}");
        assert!(
            done.stdout.starts_with(place) && done.stdout.contains(words),
            "{place}{words}: {done:?}"
        );
        for shown in ["secretword", "SecretWord1", "c2VjcmV0", "12345678"] {
            assert!(!done.stdout.contains(shown) && !done.stderr.contains(shown), "{done:?}");
        }
    }
    // A Secret that no resource names, and one of another namespace, are not ours to judge.
    let other = secret("other", "stringData", &[("authKey", "bad")]);
    let elsewhere =
        secret("vod-callback-auth", "stringData", &[("authKey", "bad")]).replace("space: media", "space: x");
    let done = run_with(&["check", "-f", "-"], &format!("{SOUND}{other}{elsewhere}"));
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn what_cannot_be_read_is_one_clear_line() {
    let dir = Dir::new();
    let missing = dir.path("missing.yaml");
    run(&["check", "-f", &missing]).is_refused(3, &format!("cannot read {missing}: no such file"));
    let empty = dir.write("empty/notes.txt", "").replace("/notes.txt", "");
    run(&["check", "-f", &empty]).is_refused(3, &format!("there is no manifest in {empty}"));
    dir.write("empty/more/a.yaml", SOUND);
    run(&["check", "-f", &empty]).is_refused(3, "use -R to read the directories within it");
    run(&["check", "-f", "-", "-f", "-"]).is_refused(3, "stdin (-) can be read once only");
    let binary = dir.path("binary.yaml");
    std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    run(&["check", "-f", &binary]).is_refused(3, "it is not UTF-8 text");
    // Nothing to check is a slip of the command line.
    assert_eq!(run(&["check"]).code, 2);
    assert_eq!(run(&["check", "-f", &missing, "-o", "xml"]).code, 2);
}

#[test]
fn each_output_says_the_same() {
    let dir = Dir::new();
    let file = dir.write("a.yaml", &SOUND.replace("cn-shanghai", "Shanghai"));
    let json: Value = serde_json::from_str(&run(&["check", "-f", &file, "-o", "json"]).stdout).unwrap();
    let finding = &json["findings"][0];
    assert_eq!(
        (&finding["file"], &finding["line"], &finding["column"]),
        (&json!(file), &json!(7), &json!(11))
    );
    assert_eq!(finding["field"], "spec.region");
    let yaml = run(&["check", "-f", &file, "-o", "yaml"]).stdout;
    assert!(
        yaml.contains("line: 7") && yaml.contains("field: spec.region"),
        "{yaml}"
    );
    let unread = run_unread(&["check", "-f", &file]);
    assert_eq!((unread.code, unread.stderr.lines().count()), (1, 1), "{unread:?}");
}

/// Some CI systems take a line of a job's output for a command, and a terminal what follows an escape.
#[test]
fn what_a_strangers_manifest_says_stays_in_its_line() {
    let hostile = "a\n::error file=x::done\n\u{1b}[2J\u{202e}";
    let mut document = manifest(hostile, &json!({ "region": "cn-shanghai" }));
    document["spec"][hostile] = json!(1);
    let other = json!({ "apiVersion": "v1", "kind": hostile, "metadata": { "name": "x" } });
    let input = format!("{}\n---\n{}", escaped(&document), escaped(&other));
    for command in ["check", "plan"] {
        let done = run_with(&[command, "-f", "-"], &input);
        for text in [&done.stdout, &done.stderr] {
            assert!(!text.lines().any(|line| line.starts_with("::")), "{command}: {text}");
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{command}: {text:?}");
        }
    }
}

/// A pipe does not say that whoever should have written has failed.
#[test]
fn nothing_on_stdin_is_no_success() {
    for command in ["check", "plan"] {
        let done = run_with(&[command, "-f", "-"], "\n");
        assert_eq!(done.code, 3, "{command}");
        assert!(done.stderr.contains("nothing came on stdin"), "{}", done.stderr);
    }
}
