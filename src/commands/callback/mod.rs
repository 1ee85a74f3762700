//! `vod-operator callback`: a receiver that verifies, and a sender that signs, as the service does.

mod files;
mod listen;
mod received;
mod receiver;
mod send;

use super::Outcome;
use crate::cli::CallbackCommand;
use crate::domain::is_hidden;

/// Runs the sub-command.
///
/// # Errors
/// What it failed with.
pub async fn run(command: CallbackCommand) -> Outcome {
    match command {
        CallbackCommand::Listen(args) => listen::run(&args).await,
        CallbackCommand::Send(args) => send::run(&args).await,
    }
}

/// What a stranger sent, fit for a terminal: no control characters, and not endless.
fn shown(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().take(most).flat_map(visible).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

fn visible(c: char) -> Vec<char> {
    if is_hidden(c) {
        c.escape_default().collect()
    } else {
        vec![c]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_sent_cannot_steer_a_terminal() {
        assert_eq!(shown("a\u{1b}[2J\nb", 100), "a\\u{1b}[2J\\nb");
        assert_eq!(shown("abc", 2), "ab…");
        assert_eq!(shown("ab", 2), "ab");
    }
}
