use std::time::Duration;

use tokio::time::Instant;

use super::pace::Pace;
use super::{SECOND, Urgency};

/// A call that has had no answer for so long was counted by the service long ago.
const COUNTED: Duration = Duration::from_secs(5);
/// Of the shortest round trip so much is kept as a margin, and a fifth of it.
const MARGIN: Duration = Duration::from_millis(5);
/// A shortest round trip is believed once so many were seen.
const SEEN: u32 = 20;
/// Calls that had to wait are spread over this part of a second: each brings work for the API server along, and other
/// accounts' changes would meet all of it at once.
const SPREAD: u32 = 4;

/// The calls of one operation that an account's last second holds.
///
/// The service counts a call somewhere between its sending and its answer, so its place is free again a second after
/// the *answer*, less the shortest round trip seen: two calls that far apart here are a second apart there, whichever
/// part of the way each of them took.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) pace: Pace,
    under_way: Vec<Call>,
    /// Answered calls that still count.
    counted: Vec<(Instant, Urgency)>,
    shortest: Option<Duration>,
    seen: u32,
    next: u64,
    last: Option<Instant>,
    /// A second after there was to be room again for those who had to wait.
    crowded_until: Option<Instant>,
}

#[derive(Debug)]
struct Call {
    id: u64,
    sent: Instant,
    urgency: Urgency,
}

/// How a call ended, as far as the quota is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It was answered, whatever the answer was.
    Counted,
    /// Too many calls.
    Throttled,
    /// There was no answer in time, or the connection broke.
    Lost,
}

/// When there is room for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Now: its number.
    Now(u64),
    /// Then.
    At(Instant),
    /// Once one that is under way is answered.
    AfterAnAnswer,
}

impl Window {
    pub(super) fn new(qps: usize, now: Instant) -> Self {
        Self {
            pace: Pace::new(qps, now),
            under_way: Vec::new(),
            counted: Vec::new(),
            shortest: None,
            seen: 0,
            next: 0,
            last: None,
            crowded_until: None,
        }
    }

    /// Takes room for a call, if there is any. Checks leave a fifth to changes.
    pub(super) fn take(&mut self, urgency: Urgency, now: Instant) -> Room {
        self.counted.retain(|(until, _)| *until > now);
        let open = |call: &&Call| now.duration_since(call.sent) < COUNTED;
        let allowed = self.pace.allowed(now);
        let for_checks = (allowed - (allowed / 5).max(1).min(allowed - 1)).max(1);
        let taken = self.under_way.iter().filter(open).count() + self.counted.len();
        let checks = self
            .under_way
            .iter()
            .filter(open)
            .filter(|c| c.urgency == Urgency::Check)
            .count()
            + self.counted.iter().filter(|(_, u)| *u == Urgency::Check).count();
        if taken < allowed && (urgency != Urgency::Check || checks < for_checks) {
            let share = u32::try_from(allowed).unwrap_or(u32::MAX).min(u32::MAX / SPREAD);
            let apart = SECOND / (SPREAD * share);
            let is_crowded = self.crowded_until.is_some_and(|until| now < until);
            if let Some(at) = self.last.map(|last| last + apart).filter(|at| is_crowded && *at > now) {
                return Room::At(at);
            }
            self.last = Some(now);
            self.next += 1;
            self.under_way.push(Call {
                id: self.next,
                sent: now,
                urgency,
            });
            return Room::Now(self.next);
        }
        let mut frees: Vec<Instant> = self.counted.iter().map(|(until, _)| *until).collect();
        frees.extend(self.under_way.iter().filter(open).map(|call| call.sent + COUNTED));
        // Where the pace has narrowed, several must go before there is room.
        let over = taken.saturating_sub(allowed);
        frees.sort_unstable();
        let at = frees.get(over.min(self.counted.len().saturating_sub(1))).copied();
        self.crowded_until = Some(at.unwrap_or(now) + SECOND);
        at.map_or(Room::AfterAnAnswer, Room::At)
    }

    /// A call that was never sent.
    pub(super) fn unused(&mut self, id: u64) {
        self.under_way.retain(|call| call.id != id);
    }

    /// The answer to a call.
    pub(super) fn answered(&mut self, id: u64, how: Answered, now: Instant) {
        let Some(at) = self.under_way.iter().position(|call| call.id == id) else {
            return;
        };
        let call = self.under_way.swap_remove(at);
        let took = now.duration_since(call.sent);
        match how {
            Answered::Counted => {
                self.shortest = Some(self.shortest.map_or(took, |shortest| shortest.min(took)));
                self.seen = self.seen.saturating_add(1);
                self.pace.succeeded(call.sent, now);
            }
            Answered::Throttled => self.pace.throttled(call.sent, now),
            Answered::Lost => {}
        }
        let span = self.pace.span();
        let until = match how {
            // The service has counted it before it answered, however long that took.
            Answered::Counted | Answered::Throttled => {
                let shortest = self.shortest.filter(|_| self.seen >= SEEN).unwrap_or_default();
                now + span.saturating_sub((shortest * 4 / 5).saturating_sub(MARGIN))
            }
            // It may arrive after it was given up; one that was under way for long was counted by then.
            Answered::Lost => (now + span).min(call.sent + COUNTED.max(span)),
        };
        if until > now {
            self.counted.push((until, call.urgency));
        }
    }

    /// Nothing of it is worth remembering.
    pub(super) fn is_plain(&mut self, now: Instant) -> bool {
        self.counted.retain(|(until, _)| *until > now);
        self.under_way.is_empty() && self.counted.is_empty() && self.pace.is_full(now)
    }
}
