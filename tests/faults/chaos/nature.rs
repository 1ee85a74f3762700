//! What nature does: the API server, the service, the clock and the replicas fail.

use std::time::{Duration, Instant};

use harness::{ApiRequest, Verdict};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use vod_endpoint::{Fault, How};

use super::cast::{Cast, REPLICAS};

const ACTIONS: [&str; 4] = [
    "GetMessageCallback",
    "SetMessageCallback",
    "DeleteMessageCallback",
    "GetCallerIdentity",
];

/// How the API server treats one replica.
pub struct Weather {
    random: StdRng,
    foul: bool,
    /// The Lease cannot be renewed until then.
    lease_cut_until: Option<Instant>,
}

impl Weather {
    pub fn fair(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            foul: false,
            lease_cut_until: None,
        }
    }

    pub fn judge(&mut self, request: &ApiRequest) -> Verdict {
        let now = Instant::now();
        if request.path.contains("/leases/") && self.lease_cut_until.is_some_and(|until| now < until) {
            return Verdict::Refuse(503);
        }
        if !self.foul {
            return Verdict::Pass;
        }
        let random = &mut self.random;
        let span = |random: &mut StdRng, most: u64| Duration::from_millis(random.random_range(0..most));
        if request.is_watch() {
            return match random.random_range(0..10) {
                0 => Verdict::Expired,
                1 => Verdict::Refuse(500),
                2..7 => Verdict::BreakOffAfter(span(random, 5000)),
                _ => Verdict::Pass,
            };
        }
        match random.random_range(0..100) {
            0..2 => Verdict::Refuse(429),
            2..4 => Verdict::Refuse(500),
            4..6 => Verdict::Refuse(503),
            6..8 if request.is_write() => Verdict::Refuse(409),
            8..10 => Verdict::BreakOff,
            10..18 => Verdict::Late(span(random, 400)),
            18 if request.is_list() => Verdict::Refuse(410),
            19 if request.is_list() => Verdict::Late(span(random, 3000)),
            _ => Verdict::Pass,
        }
    }
}

impl Cast {
    /// One thing that goes wrong, now and then.
    pub async fn nature_acts(&mut self, random: &mut StdRng) {
        self.thaw_who_is_due();
        for replica in &self.replicas {
            replica.weather.lock().foul = true;
        }
        match random.random_range(0..100) {
            0..30 => {
                let fault = fault(random);
                self.endpoint.world().faults.push(fault);
            }
            30..32 => {
                let skews = [0, 0, 1200, -1200, 30];
                self.endpoint.world().clock_skew = skews.choose(random).copied().unwrap_or_default();
            }
            32 => {
                let replica = random.random_range(0..REPLICAS);
                self.replicas[replica].process.kill_at_once().unwrap();
                self.kills += 1;
                self.revive(replica).await;
            }
            33 => {
                let replica = &mut self.replicas[random.random_range(0..REPLICAS)];
                replica.process.freeze().unwrap();
                let span = Duration::from_millis(random.random_range(200..4000));
                replica.frozen_until = Some(Instant::now() + span);
            }
            34 => {
                let replica = &self.replicas[random.random_range(0..REPLICAS)];
                let until = Instant::now() + Duration::from_secs(12);
                let mut weather = replica.weather.lock();
                weather.lease_cut_until = Some(until);
            }
            35 => {
                // What was asked for and did not come about yet is forgotten: not all at once for ever.
                self.endpoint.world().faults.clear();
            }
            _ => {}
        }
    }

    fn thaw_who_is_due(&mut self) {
        for replica in &mut self.replicas {
            if replica.frozen_until.take_if(|until| *until <= Instant::now()).is_some() {
                replica.process.thaw().unwrap();
            }
        }
    }

    /// No more faults.
    pub fn clear_up(&mut self) {
        {
            let mut world = self.endpoint.world();
            world.faults.clear();
            world.clock_skew = 0;
        }
        for replica in &mut self.replicas {
            let mut weather = replica.weather.lock();
            (weather.foul, weather.lease_cut_until) = (false, None);
            replica.frozen_until = None;
            replica.process.thaw().unwrap();
        }
    }

    /// Starts those again that are gone.
    pub async fn revive_all(&mut self) {
        for replica in 0..REPLICAS {
            self.revive(replica).await;
        }
    }

    /// Starts a replica again that is gone: a lost lease, too, ends the process.
    pub async fn revive(&mut self, replica: usize) {
        if self.replicas[replica].process.exited().unwrap().is_none() {
            return;
        }
        let next = self.start(&self.replicas[replica].proxy).await;
        let replica = &mut self.replicas[replica];
        replica.old_logs.extend(replica.process.logs());
        replica.process = next;
    }
}

fn fault(random: &mut StdRng) -> Fault {
    let code = |status, code: &str| How::Code {
        status,
        code: code.to_owned(),
        message: String::new(),
        headers: Vec::new(),
    };
    let how = match random.random_range(0..10) {
        0 => code(503, "ServiceUnavailable"),
        1 => code(500, "InternalError"),
        2 => code(400, "Throttling.User"),
        3 => How::Code {
            status: 429,
            code: "Throttling".to_owned(),
            message: String::new(),
            headers: vec![("x-acs-retry-after".to_owned(), "1".to_owned())],
        },
        4 => How::Hang,
        5 => How::Reset,
        6 => How::Garbage { status: 502 },
        7 => How::Empty,
        _ => How::Delay {
            ms: random.random_range(50..1500),
        },
    };
    let fault = Fault::always(how).times(random.random_range(1..4));
    let fault = match ACTIONS.choose(random) {
        Some(action) => fault.action(action),
        None => fault,
    };
    if random.random_bool(0.5) { fault.after() } else { fault }
}
