use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::super::{account, uid, wall_since};
use super::record::Record;
use super::script::Plan;
use crate::api::{VodMessageCallbackSpec, VodMessageCallbackStatus};
use crate::cloud::Operation;
use crate::domain::{AccountKey, LiveSetting};
use crate::reconcile::convert;
use crate::reconcile::report::{Edit, StatusUpdate, next_status};
use crate::schedule::next_check;
use crate::status::{Outcome, Reason};

pub(super) type Shared = Arc<Mutex<World>>;

/// A resource as the API server has it.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) uid: String,
    pub(super) account: AccountKey,
    pub(super) interval: Duration,
    pub(super) spec: VodMessageCallbackSpec,
    pub(super) generation: i64,
    pub(super) status: VodMessageCallbackStatus,
}

impl Object {
    fn new(n: usize, plan: &Plan) -> Self {
        let interval = ["10m", "20m", "1h"][n % 3];
        let spec: VodMessageCallbackSpec = serde_json::from_value(serde_json::json!({
            "region": "cn-shanghai",
            "appId": format!("app-{n}"),
            "callbackType": "HTTP",
            "http": { "url": format!("https://hooks.example.com/{n}/1") },
            "eventTypes": ["TranscodeComplete"],
            "checkInterval": interval,
        }))
        .unwrap();
        Self {
            uid: uid(n),
            account: account(n % plan.accounts),
            interval: convert::check_interval(&spec, Duration::ZERO),
            spec,
            generation: 1,
            status: VodMessageCallbackStatus::default(),
        }
    }

    /// What the service holds once the spec is applied.
    pub(super) fn as_live(&self) -> LiveSetting {
        LiveSetting {
            callback_type: Some("HTTP".to_owned()),
            callback_url: self.spec.http.as_ref().map(|http| http.url.clone()),
            event_type_list: Some(self.spec.event_types.join(",")),
            auth_switch: Some("off".to_owned()),
            ..LiveSetting::default()
        }
    }

    fn settle(&mut self, began: Instant) {
        let baseline = convert::setting(&self.spec, None)
            .unwrap()
            .baseline_of_equal(&self.as_live(), None);
        let update = StatusUpdate {
            outcome: Some(Outcome::new(Reason::Applied, Reason::Applied.as_str())),
            applied: Some(convert::applied(&self.spec, None)),
            reported: Edit::To(convert::reported(&baseline)),
            ..StatusUpdate::default()
        };
        self.status = next_status(&self.status, self.generation, &update, wall_since(began));
    }
}

/// What is outside of the replicas: the resources, the service, and whoever keeps the record.
pub(super) struct World {
    pub(super) began: Instant,
    pub(super) random: StdRng,
    pub(super) objects: Vec<Object>,
    pub(super) record: Record,
    held: HashMap<usize, LiveSetting>,
    watches: Vec<UnboundedSender<usize>>,
}

impl World {
    pub(super) fn new(plan: &Plan, began: Instant) -> Self {
        let mut objects: Vec<Object> = (0..plan.resources).map(|n| Object::new(n, plan)).collect();
        let mut held = HashMap::new();
        if plan.settled {
            for (n, object) in objects.iter_mut().enumerate() {
                object.settle(began);
                held.insert(n, object.as_live());
            }
        }
        Self {
            began,
            random: StdRng::seed_from_u64(plan.seed),
            record: Record::new(plan.resources, began),
            objects,
            held,
            watches: Vec::new(),
        }
    }

    pub(super) fn watch(&mut self) -> UnboundedReceiver<usize> {
        let (tell, told) = unbounded_channel();
        self.watches.retain(|watch| !watch.is_closed());
        self.watches.push(tell);
        told
    }

    pub(super) fn until_check(&self, n: usize) -> Duration {
        let object = &self.objects[n];
        next_check(&object.uid, object.interval, wall_since(self.began))
    }

    /// A user changes a resource.
    pub(super) fn change(&mut self, n: usize) {
        let object = &mut self.objects[n];
        object.generation += 1;
        let url = format!("https://hooks.example.com/{n}/{}", object.generation);
        object.spec.http.as_mut().unwrap().url = url;
        self.record.changes.push((Instant::now(), n, object.generation));
        for watch in &self.watches {
            let _ = watch.send(n);
        }
    }

    /// A status comes to the API server.
    pub(super) fn store(&mut self, n: usize, status: VodMessageCallbackStatus) {
        self.record.writes += 1;
        self.record.looked_at(n, status.observed_generation.unwrap_or_default());
        self.objects[n].status = status;
    }

    /// A Get comes to the service.
    pub(super) fn get(&mut self, n: usize) -> Option<LiveSetting> {
        self.record.arrives(n, &self.objects[n].account, Operation::Get);
        self.held.get(&n).cloned()
    }

    /// A Set comes to the service.
    pub(super) fn set(&mut self, n: usize, setting: LiveSetting) {
        self.record.arrives(n, &self.objects[n].account, Operation::Set);
        if self.held.get(&n) == Some(&setting) {
            self.record
                .wrong(format!("resource {n} was set to what the service held"));
        }
        self.held.insert(n, setting);
    }
}
