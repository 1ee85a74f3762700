//! `completion` and `manual`.

use crate::cli::{Dir, run, run_unread};

#[test]
fn each_shell_gets_a_script_that_knows_the_sub_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = run(&["completion", shell]);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{shell}");
        for word in ["completion", "manual", "watch-namespace"] {
            assert!(done.stdout.contains(word), "{shell} knows {word}");
        }
    }
    assert_eq!(run(&["completion", "dos"]).code, 2);
}

#[test]
fn each_command_has_a_man_page() {
    let dir = Dir::new();
    let done = run(&["manual", &dir.path("man/man1")]);
    assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{done:?}");
    let page = |name: &str| std::fs::read_to_string(dir.path(&format!("man/man1/{name}.1"))).unwrap();
    assert!(page("vod-operator").contains("vod\\-operator\\-manual"));
    assert!(page("vod-operator-run").contains("\\-\\-watch\\-namespace"));
    assert!(page("vod-operator-completion").contains("fish"));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = Dir::new();
    let file = dir.write("file", "");
    run(&["manual", &format!("{file}/man")]).is_refused(3, &file);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for args in [&["completion", "bash"][..], &["crd"]] {
        let done = run_unread(args);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{args:?}");
    }
}
