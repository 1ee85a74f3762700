//! Contract 3, "High availability": replicas of which one works, whatever befalls the others.

use std::time::Duration;

use futures::future::join_all;
use harness::{ApiProxy, Gate, Operator, Vmc, until};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use vod_endpoint::{Fault, How};

use crate::stage::{Stage, URL, app};

#[tokio::test]
async fn two_replicas_and_a_leader_that_dies_freezes_or_leaves() {
    let stage = Stage::set().await;
    let replica = async |name: &str| -> Operator {
        stage
            .builder(&["--check-interval", "1h", "--leader-elect"])
            .name(name)
            .env("POD_NAMESPACE", stage.ns.as_str())
            .env("POD_NAME", name)
            .start()
            .await
            .unwrap()
    };
    let first = replica("first").await;
    until("the first leads", async || leads(&first).await).await;
    let second = replica("second").await;
    assert!(second.readyz().await, "a standby is ready");
    stage.applied("ha").await;
    // Frozen with a change in flight: the other takes over, and the first must not call when it thaws.
    first.freeze().unwrap();
    stage.apply(&stage.http("ha").events(["SnapshotComplete"])).await;
    until("the second leads", async || leads(&second).await).await;
    stage.ready("ha", "Applied").await;
    first.thaw().unwrap();
    until("the first stands by", async || !leads(&first).await).await;
    assert_eq!(stage.sets("ha"), 2);
    // An orderly end hands over without waiting for the lease to run out.
    assert!(second.sigterm_and_wait().await.unwrap().success());
    until("the first leads again", async || leads(&first).await).await;
    stage.apply(&stage.http("ha").events(["ALL"])).await;
    until("the last change", async || {
        stage.live("ha").unwrap()["EventTypeList"] == "ALL"
    })
    .await;
    stage.ready("ha", "Applied").await;
    assert_eq!(stage.sets("ha"), 3);
}

/// What befalls a leader.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// SIGKILL, and later a new process.
    Kill,
    /// SIGSTOP, and later SIGCONT.
    Freeze,
    /// Its connections to the API server are closed, and new ones too.
    CutOff,
    /// Nothing passes between it and the API server, and what was sent arrives later.
    Silence,
    /// SIGTERM, and later a new process.
    Leave,
}

/// A replica with an AccessKey of its own, by which the endpoint's log tells who called.
struct Replica {
    key: String,
    gate: Gate,
    process: Operator,
}

/// Two replicas, and one resource that is theirs alone.
struct Pair<'a> {
    stage: &'a Stage,
    ns: String,
    name: String,
    replicas: Vec<Replica>,
    leader: usize,
    changes: usize,
    terms: Vec<String>,
}

const EVENT_TYPES: [&str; 3] = ["FileUploadComplete", "TranscodeComplete", "SnapshotComplete"];

impl<'a> Pair<'a> {
    async fn start(stage: &'a Stage, number: usize) -> Self {
        let ns = stage.cluster.namespace("pair").await.unwrap();
        let mut replicas = Vec::new();
        for letter in ["a", "b"] {
            let key = format!("ReplicaKey{number}{letter}");
            stage
                .endpoint
                .world()
                .add_key(&key, vod_endpoint::KEY_SECRET, vod_endpoint::ACCOUNT);
            let gate = Gate::before(stage.plane.port()).await.unwrap();
            let process = replica(stage, &ns, &key, &gate).await;
            replicas.push(Replica { key, gate, process });
            if letter == "a" {
                until("the first leads", async || leads(&replicas[0].process).await).await;
            }
        }
        let terms = vec![replicas[0].key.clone()];
        let mut pair = Self {
            stage,
            ns,
            name: format!("pair{number}"),
            replicas,
            leader: 0,
            changes: 0,
            terms,
        };
        pair.change().await;
        pair.settle().await;
        pair
    }

    /// Changes the spec to what it was not before.
    async fn change(&mut self) {
        self.changes += 1;
        let types: Vec<_> = (0..3)
            .filter(|bit| self.changes & (1 << bit) != 0)
            .map(|bit| EVENT_TYPES[bit])
            .collect();
        let vmc = Vmc::http(&self.ns, &self.name, URL)
            .app_id(&app(&self.name))
            .events(types);
        self.stage.cluster.apply_vmc(&vmc.without("credentials")).await.unwrap();
    }

    async fn settle(&self) {
        self.stage.cluster.wait_ready(&self.ns, &self.name).await.unwrap();
    }

    /// One round: a change is in flight when the leader is struck, the other takes over and works, and the struck one
    /// comes back as a standby.
    async fn round(&mut self, blow: Blow, moment: Duration) {
        let (old, new) = (self.leader, 1 - self.leader);
        self.change().await;
        tokio::time::sleep(moment).await;
        let struck = &self.replicas[old];
        match blow {
            Blow::Kill => struck.process.kill().await.unwrap(),
            Blow::Freeze => struck.process.freeze().unwrap(),
            Blow::CutOff => struck.gate.refuse(),
            Blow::Silence => struck.gate.silence(),
            Blow::Leave => assert!(struck.process.sigterm_and_wait().await.unwrap().success()),
        }
        let other = &self.replicas[new].process;
        until(&format!("the other leads after {blow:?}"), async || leads(other).await).await;
        self.leader = new;
        self.terms.push(self.replicas[new].key.clone());
        self.settle().await;
        // Whoever still called now would be seen in the log between the new leader's calls.
        self.change().await;
        self.settle().await;
        let ns = self.ns.clone();
        let struck = &mut self.replicas[old];
        match blow {
            Blow::Kill | Blow::Leave => struck.process = replica(self.stage, &ns, &struck.key, &struck.gate).await,
            Blow::Freeze => struck.process.thaw().unwrap(),
            Blow::CutOff | Blow::Silence => struck.gate.open(),
        }
        until(&format!("a standby after {blow:?}"), async || {
            struck.process.metrics().await.is_ok() && !leads(&struck.process).await
        })
        .await;
    }

    /// What the endpoint saw: each change set once, and calls only by the leader of the time.
    async fn judge(&self) {
        let calls = self.stage.calls(&self.name);
        let sets: Vec<_> = calls.iter().filter(|c| c.action == "SetMessageCallback").collect();
        let tell = || {
            let line = |c: &vod_endpoint::Call| format!("{} {} {} {:?}", c.at_ms, c.key_id, c.action, c.parameters);
            format!(
                "terms {:?}\n{}",
                self.terms,
                calls.iter().map(line).collect::<Vec<_>>().join("\n")
            )
        };
        assert_eq!(sets.len(), self.changes, "each change is set once: {}", tell());
        let mut callers: Vec<_> = calls.iter().map(|c| c.key_id.clone()).collect();
        callers.dedup();
        assert_eq!(callers, self.terms, "one replica called in another's term: {}", tell());
        // What an old leader had sent before must not undo the words of the new one.
        let vmc = self.stage.cluster.vmc(&self.ns, &self.name).await.unwrap().unwrap();
        assert_eq!(
            vmc["status"]["observedGeneration"], vmc["metadata"]["generation"],
            "an older status came late: {vmc:#}"
        );
        for replica in &self.replicas {
            until("a standby is well", async || {
                replica.process.healthz().await && replica.process.readyz().await
            })
            .await;
        }
    }
}

async fn replica(stage: &Stage, ns: &str, key: &str, gate: &Gate) -> Operator {
    Operator::builder(env!("CARGO_BIN_EXE_vod-operator"))
        .name(key)
        .kubeconfig(stage.plane.kubeconfig_through(gate.port()).unwrap())
        .vod_endpoint(stage.endpoint.url())
        .sts_endpoint(stage.endpoint.url())
        .env("RUST_LOG", "debug")
        .env("POD_NAMESPACE", ns)
        .env("POD_NAME", key)
        .env("ALIBABA_CLOUD_ACCESS_KEY_ID", key)
        .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", vod_endpoint::KEY_SECRET)
        .args([
            "--watch-namespace",
            ns,
            "--check-interval",
            "1h",
            "--leader-elect",
            "--ambient-credentials",
        ])
        // Short, so that a watch of a term that is over would be missed by the probe within the test.
        .args(["--watch-timeout", "6s"])
        .start()
        .await
        .unwrap()
}

async fn leads(operator: &Operator) -> bool {
    let metrics = operator.metrics().await;
    metrics.is_ok_and(|m| m.sum("vod_operator_leader", &[]) > 0.5)
}

#[tokio::test]
async fn two_replicas_never_both_call_over_many_rounds() {
    use Blow::{CutOff, Freeze, Kill, Leave, Silence};
    const ORDERS: [[Blow; 5]; 6] = [
        [Kill, Freeze, CutOff, Silence, Leave],
        [Freeze, CutOff, Silence, Leave, Kill],
        [CutOff, Silence, Leave, Kill, Freeze],
        [Silence, Leave, Kill, Freeze, CutOff],
        [Silence, Kill, CutOff, Leave, Freeze],
        [Freeze, Silence, Kill, CutOff, Leave],
    ];
    let stage = Stage::set().await;
    // Answers take a moment, so that blows fall while a call is on its way.
    let late = Fault::always(How::Delay { ms: 150 }).after();
    stage.fault(late);
    let rounds = ORDERS.iter().enumerate().map(async |(number, order)| {
        let mut pair = Pair::start(&stage, number).await;
        for (round, blow) in order.iter().enumerate() {
            // Another moment each time, from before the first call to after the last status.
            let moment = Duration::from_millis(u64::try_from(number * 5 + round).unwrap() * 25);
            pair.round(*blow, moment).await;
        }
        pair.judge().await;
    });
    join_all(rounds).await;
}

/// The new leader does not know what the old one called in its last second.
#[tokio::test]
async fn a_handover_keeps_within_the_quota() {
    const CROWD: usize = 120;
    let stage = Stage::set().await;
    let names: Vec<String> = (0..CROWD).map(|n| format!("hand{n}")).collect();
    for name in &names {
        stage.apply(&stage.http(name)).await;
    }
    let replica = async |name: &str| -> Operator {
        let operator = stage.builder(&["--check-interval", "1h", "--leader-elect"]);
        let operator = operator.name(name).env("POD_NAMESPACE", stage.ns.as_str());
        operator.start().await.unwrap()
    };
    let mut leader = replica("0").await;
    let done = || names.iter().filter(|name| stage.sets(name) == 1).count();
    // Each goes in the middle of the crowd, and the next one is there to take over at once.
    for (turn, share) in [25, 50, 75].into_iter().enumerate() {
        let next = replica(&(turn + 1).to_string()).await;
        until("a part of the crowd", async || done() >= share).await;
        assert!(leader.sigterm_and_wait().await.unwrap().success());
        leader = next;
    }
    until("the whole crowd", async || done() == CROWD).await;
    let world = stage.endpoint.world();
    for action in ["GetMessageCallback", "SetMessageCallback"] {
        let most = world.most_within(vod_endpoint::ACCOUNT, action, Duration::from_millis(950));
        assert!(most <= 15, "{most} {action}");
    }
    assert!(world.calls().iter().all(|c| c.code == "OK"), "no throttled answer");
}

async fn lease_holder(stage: &Stage, name: &str) -> Option<Option<String>> {
    let leases: Api<Lease> = Api::namespaced(stage.cluster.client(), &stage.ns);
    let lease = leases.get_opt(name).await.unwrap()?;
    Some(lease.spec.and_then(|spec| spec.holder_identity))
}

/// Its write was on its way, and nobody heard what became of it.
#[tokio::test]
async fn a_standby_that_is_stopped_while_taking_over_leaves_the_lease() {
    let stage = Stage::set().await;
    let proxy = ApiProxy::of(stage.cluster.client()).await.unwrap();
    proxy.hold_answers(&["POST", "/leases"], 1);
    let operator = stage
        .builder(&["--leader-elect", "--lease-name", "taken"])
        .kubeconfig(proxy.kubeconfig(stage.plane.folder()).unwrap())
        .env("POD_NAMESPACE", stage.ns.as_str())
        .spawn()
        .unwrap();
    until("the Lease is written", async || {
        lease_holder(&stage, "taken").await.flatten().is_some()
    })
    .await;
    assert!(operator.sigterm_and_wait().await.unwrap().success());
    assert_eq!(
        lease_holder(&stage, "taken").await,
        Some(None),
        "nobody has to wait for it"
    );
}

/// Two releases in one namespace, each with a Lease and namespaces of its own; and a standby says nothing of resources.
#[tokio::test]
async fn two_releases_lead_beside_each_other_by_the_names_of_their_leases() {
    let stage = Stage::set().await;
    let other = stage.cluster.namespace("vod").await.unwrap();
    stage
        .cluster
        .access_key(&other, vod_endpoint::KEY_ID, vod_endpoint::KEY_SECRET)
        .await
        .unwrap();
    let replica = async |release: &str, namespace: &str, number: &str| -> Operator {
        Operator::builder(env!("CARGO_BIN_EXE_vod-operator"))
            .name(&format!("{release}-{number}"))
            .kubeconfig(stage.plane.kubeconfig_path())
            .vod_endpoint(stage.endpoint.url())
            .sts_endpoint(stage.endpoint.url())
            .env("POD_NAMESPACE", stage.ns.as_str())
            .args([
                "--leader-elect",
                "--lease-name",
                release,
                "--watch-namespace",
                namespace,
            ])
            .start()
            .await
            .unwrap()
    };
    let (a, b) = (replica("a", &stage.ns, "1").await, replica("b", &other, "1").await);
    for operator in [&a, &b] {
        until("it leads", async || leads(operator).await).await;
    }
    stage.applied("one").await;
    let vmc = Vmc::http(&other, "two", URL).app_id(&app("two"));
    stage.cluster.apply_vmc(&vmc).await.unwrap();
    stage.cluster.wait_ready(&other, "two").await.unwrap();
    assert!(lease_holder(&stage, "a").await.is_some() && lease_holder(&stage, "b").await.is_some());
    assert!(lease_holder(&stage, "vod-operator").await.is_none());

    let resources = async |operator: &Operator| {
        let metrics = operator.metrics().await.unwrap();
        assert!(metrics.has("vod_operator_resources"));
        metrics.sum("vod_operator_resources", &[])
    };
    until("the leader counts one", async || resources(&a).await > 0.5).await;
    let standby = replica("a", &stage.ns, "2").await;
    assert!(resources(&standby).await < 0.5);
    // The leader is cut off, loses the Lease, and no longer says anything either.
    a.freeze().unwrap();
    until("the standby leads", async || leads(&standby).await).await;
    a.thaw().unwrap();
    until("the former leader counts none", async || {
        !leads(&a).await && resources(&a).await < 0.5
    })
    .await;
}

/// What is under way may take a while to end, and another one leads by then.
#[tokio::test]
async fn who_has_lost_the_lease_says_so_before_its_work_has_drained() {
    let stage = Stage::set().await;
    let builder = stage.builder(&["--check-interval", "1h", "--leader-elect", "--lease-name", "lost"]);
    let operator = builder.env("POD_NAMESPACE", stage.ns.as_str()).start().await.unwrap();
    until("it leads", async || leads(&operator).await).await;
    let late = Fault::always(How::Delay { ms: 9000 }).action("GetMessageCallback");
    stage.fault(late);
    stage.apply(&stage.http("drains")).await;
    until("it is read", async || {
        stage.endpoint.world().count("GetMessageCallback", &app("drains")) == 1
    })
    .await;
    let taken = json!({"spec": {"holderIdentity": "somebody-else"}});
    let leases: Api<Lease> = Api::namespaced(stage.cluster.client(), &stage.ns);
    let began = std::time::Instant::now();
    leases
        .patch("lost", &PatchParams::default(), &Patch::Merge(taken))
        .await
        .unwrap();
    until("it leads no more", async || !leads(&operator).await).await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

/// A frozen leader's words may be on their way for as long as a network likes.
#[tokio::test]
async fn words_of_a_former_leader_that_were_held_up_are_not_written_over_those_of_the_present_one() {
    let stage = Stage::set().await;
    let proxy = ApiProxy::of(stage.cluster.client()).await.unwrap();
    let replica = |name: &str| {
        let builder = stage.builder(&["--check-interval", "1h", "--leader-elect"]);
        builder.name(name).env("POD_NAMESPACE", stage.ns.as_str())
    };
    let former = replica("former").kubeconfig(proxy.kubeconfig(stage.plane.folder()).unwrap());
    let former = former.start().await.unwrap();
    stage.applied("late").await;
    let change = async |path: &str| {
        let url = format!("https://hooks.example.com/{path}");
        stage
            .apply(&stage.http("late").field("http", json!({ "url": url })))
            .await;
        until("it is set", async || {
            stage.live("late").is_some_and(|live| live["CallbackURL"] == url)
        })
        .await;
    };
    let status = ["vodmessagecallbacks/late/status"];
    let said_before = proxy.asked(&status).len();
    proxy.hold(&status);
    change("second").await;
    until("it is said", async || proxy.asked(&status).len() > said_before).await;
    former.freeze().unwrap();
    let present = replica("present").start().await.unwrap();
    stage.cluster.wait_ready(&stage.ns, "late").await.unwrap();
    change("third").await;
    stage.cluster.wait_ready(&stage.ns, "late").await.unwrap();
    let said = stage.status("late").await;
    let sets = stage.sets("late");
    proxy.pass_all();
    former.thaw().unwrap();
    until("it stands by", async || {
        former.metrics().await.is_ok() && !leads(&former).await
    })
    .await;
    // Whatever the present one would make of other words, it would make of them before this.
    stage.check_now("late", "now").await;
    assert_eq!(stage.sets("late"), sets, "nothing is set again");
    let now = stage.status("late").await;
    assert_eq!(now["requestId"], said["requestId"], "{now:#}");
    assert!(leads(&present).await);
}
