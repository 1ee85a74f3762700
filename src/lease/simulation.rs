//! Candidates over one compare-and-swap register, in made-up time: messages are slow or lost, processes stand still
//! for longer than a lease lasts, and clocks disagree. No two claims may ever hold at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Candidate, LeaseTimings, Record, Step};

const END: u64 = 240_000;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What happens to one exchange with the API server, in milliseconds.
#[derive(Clone, Debug)]
struct Fate {
    there: u64,
    back: u64,
    /// The process stands still before it goes on.
    pause: u64,
    /// It stands still while the answer is already there, and still takes it for one in time.
    asleep: u64,
    /// The answer never comes.
    lost: bool,
    /// A leader gives the Lease back instead of renewing it.
    release: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// It does what comes next.
    Turn,
    ReadArrives,
    ReadAnswered(u64, Option<Wire>),
    WriteArrives {
        version: u64,
        wire: Wire,
        sent: u64,
    },
    WriteAnswered {
        version: Option<u64>,
        wire: Wire,
        sent: u64,
    },
    GaveUp,
}

/// A record in a form with an order, for the queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wire {
    holder: Option<String>,
    renewed: u64,
}

impl Wire {
    fn record(&self) -> Record {
        Record {
            holder: self.holder.clone(),
            renewed: Some(self.renewed.to_string()),
            seconds: Some(15),
            transitions: 0,
        }
    }
}

struct Player {
    candidate: Candidate,
    offset: u64,
    fates: Vec<Fate>,
    turns: usize,
    /// The version that a write may build on, and what it held.
    known: Option<(u64, Option<Wire>)>,
    /// Answers to a question that was given up are not heard.
    question: u64,
    claim: Option<u64>,
    led: bool,
}

impl Player {
    fn fate(&self) -> Fate {
        self.fates[self.turns % self.fates.len()].clone()
    }

    fn saw(&mut self, version: u64, wire: Option<Wire>, now: u64) {
        let record = wire.as_ref().map(Wire::record);
        self.candidate.saw(record, ms(now + self.offset));
        self.known = Some((version, wire));
    }

    fn holds(&self, now: u64, timings: &LeaseTimings) -> bool {
        self.claim
            .is_some_and(|sent| ms(now) < ms(sent) + timings.renew_deadline)
    }
}

/// When, in which order, whose, about which question, what.
type Scheduled = (u64, u64, usize, u64, Event);

struct World {
    timings: LeaseTimings,
    queue: BinaryHeap<Reverse<Scheduled>>,
    order: u64,
    players: Vec<Player>,
    version: u64,
    lease: Option<Wire>,
    writes: u64,
}

impl World {
    fn new(fates: Vec<(u64, Vec<Fate>)>) -> Self {
        let timings = LeaseTimings::default();
        let players = fates.into_iter().enumerate().map(|(i, (offset, fates))| Player {
            candidate: Candidate::new(format!("player_{i}"), &timings),
            offset,
            fates,
            turns: 0,
            known: None,
            question: 0,
            claim: None,
            led: false,
        });
        let mut world = Self {
            players: players.collect(),
            timings,
            queue: BinaryHeap::new(),
            order: 0,
            version: 0,
            lease: None,
            writes: 0,
        };
        for i in 0..world.players.len() {
            world.at(0, i, Event::Turn);
        }
        world
    }

    fn at(&mut self, time: u64, player: usize, event: Event) {
        self.order += 1;
        let question = self.players[player].question;
        self.queue.push(Reverse((time, self.order, player, question, event)));
    }

    /// Runs to the end; at each event at most one claim holds. Claims only begin at events.
    fn run(&mut self) {
        while let Some(Reverse((now, _, i, question, event))) = self.queue.pop() {
            if now > END {
                return;
            }
            self.handle(now, i, question, event);
            let holding = self.players.iter().filter(|player| player.holds(now, &self.timings));
            assert!(holding.count() <= 1, "two claims at {now} ms");
        }
    }

    fn handle(&mut self, now: u64, i: usize, question: u64, event: Event) {
        // What is on its way to the API server arrives, whether or not anybody still waits for the answer.
        let stale = question != self.players[i].question;
        let back = self.players[i].fate().back;
        match event {
            Event::ReadArrives => {
                let answer = Event::ReadAnswered(self.version, self.lease.clone());
                self.answer(now + back, i, question, answer);
            }
            Event::WriteArrives { version, wire, sent } => {
                let done = version == self.version;
                if done {
                    self.version += 1;
                    self.lease = Some(wire.clone());
                }
                let version = done.then_some(self.version);
                self.answer(now + back, i, question, Event::WriteAnswered { version, wire, sent });
            }
            _ if stale => {}
            Event::Turn => self.turn(now, i),
            Event::ReadAnswered(version, wire) => {
                self.players[i].saw(version, wire, now);
                self.decide(now, i);
            }
            Event::WriteAnswered { version, wire, sent } => self.written(now, i, version, wire, sent),
            Event::GaveUp => {
                self.players[i].known = None;
                self.next(now, i);
            }
        }
    }

    fn answer(&mut self, time: u64, i: usize, question: u64, event: Event) {
        let fate = self.players[i].fate();
        if !fate.lost && question == self.players[i].question {
            self.at(time + fate.asleep, i, event);
        }
    }

    fn turn(&mut self, now: u64, i: usize) {
        if self.players[i].known.is_some() {
            self.decide(now, i);
        } else {
            self.ask(now, now, i, Event::ReadArrives);
        }
    }

    /// Sends a question after what may be a long pause, and gives up on it in time.
    fn ask(&mut self, now: u64, sent: u64, i: usize, event: Event) {
        let there = self.players[i].fate().there;
        self.players[i].question += 1;
        self.at(sent.max(now) + there, i, event);
        let call = u64::try_from(self.timings.call().as_millis()).unwrap();
        let asleep = self.players[i].fate().asleep;
        self.at(sent.max(now) + call + asleep, i, Event::GaveUp);
    }

    fn decide(&mut self, now: u64, i: usize) {
        let player = &mut self.players[i];
        let step = player.candidate.step(ms(now + player.offset));
        let fate = player.fate();
        if let Step::Wait(_) = step {
            player.known = None;
            self.next(now, i);
            return;
        }
        // Nothing is certain after a write until its answer is here.
        let Some((version, _)) = player.known.take() else {
            panic!("decided without having looked")
        };
        let give_back = step == Step::Renew && fate.release;
        let holder = (!give_back).then(|| player.candidate.identity().to_owned());
        if give_back {
            player.claim = None;
        }
        self.writes += 1;
        let renewed = self.writes;
        let sent = now + fate.pause;
        let wire = Wire { holder, renewed };
        self.ask(now, sent, i, Event::WriteArrives { version, wire, sent });
    }

    fn written(&mut self, now: u64, i: usize, version: Option<u64>, wire: Wire, sent: u64) {
        let player = &mut self.players[i];
        match version {
            Some(version) => {
                player.claim = wire.holder.is_some().then_some(sent);
                player.led |= wire.holder.is_some();
                player.saw(version, Some(wire), now);
            }
            None => {
                // Without a look, a lost creation cannot be told from a lost update: the next look will.
                if self.lease.is_none() {
                    player.candidate.lost_the_creation(ms(now + player.offset));
                }
                player.known = None;
            }
        }
        self.next(now, i);
    }

    fn next(&mut self, now: u64, i: usize) {
        let player = &mut self.players[i];
        player.question += 1;
        player.turns += 1;
        let pause = player.fate().pause;
        let retry = u64::try_from(self.timings.retry.as_millis()).unwrap();
        self.at(now + retry + pause, i, Event::Turn);
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    let delay = || prop_oneof![4 => 0..200u64, 1 => 0..12_000u64];
    let pause = || prop_oneof![5 => Just(0u64), 1 => 0..40_000u64];
    let odd = || prop::bool::weighted(0.1);
    let all = (delay(), delay(), pause(), pause(), odd(), odd());
    all.prop_map(|(there, back, pause, asleep, lost, release)| Fate {
        there,
        back,
        pause,
        asleep,
        lost,
        release,
    })
}

fn player() -> impl Strategy<Value = (u64, Vec<Fate>)> {
    (0..1_000_000u64, prop::collection::vec(fate(), 1..40))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_two_claims_ever_hold(players in prop::collection::vec(player(), 2..4)) {
        World::new(players).run();
    }
}

fn prompt() -> Fate {
    Fate {
        there: 20,
        back: 20,
        pause: 0,
        asleep: 0,
        lost: false,
        release: false,
    }
}

#[test]
fn somebody_leads_where_messages_arrive_and_the_rest_keep_out() {
    let mut world = World::new(vec![(0, vec![prompt()]), (77, vec![prompt()])]);
    world.run();
    let led: Vec<bool> = world.players.iter().map(|player| player.led).collect();
    assert_eq!(led, [true, false]);
    assert!(world.players[0].holds(END, &world.timings));
}

#[test]
fn another_takes_over_from_one_that_stands_still() {
    let mut stopping = vec![prompt(); 20];
    stopping[10].pause = 1_000_000;
    let mut world = World::new(vec![(0, stopping), (77, vec![prompt()])]);
    world.run();
    assert!(world.players[1].led && world.players[1].holds(END, &world.timings));
}
