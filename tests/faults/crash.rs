//! The operator is killed (`SIGKILL`) at each of its steps, a step being a request to the API server or a call to the
//! service, before it is carried out or when it was and is not answered yet. Whatever the moment, the next operator
//! brings things to the same end.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use harness::{ApiRequest, Operator, Verdict, eventually, wait_until};
use parking_lot::Mutex;
use vod_endpoint::Moment;

use crate::ground::Ground;
use crate::invariants;
use crate::scenario::Scenario;

/// So many runs at once.
const AT_ONCE: usize = 6;
/// How much later than the end the last step may begin.
const LATE: Duration = Duration::from_millis(500);

/// Where the operator dies.
#[derive(Clone, Debug)]
struct Point {
    /// The number of the step.
    step: usize,
    /// Its carrying out is not prevented any more.
    after: bool,
}

/// What has happened in a run since it began in earnest.
#[derive(Default)]
struct Course {
    steps: Vec<Step>,
    /// The service's operation that is carried out and then answered by nobody.
    doomed: Option<String>,
    killed: bool,
}

#[derive(Clone, Debug)]
struct Step {
    name: String,
    changes: bool,
}

/// Counts the steps of an operator, and kills it at one of them.
struct Fate {
    point: Option<Point>,
    operator: Arc<Operator>,
    course: Mutex<Course>,
}

impl Fate {
    fn on_course<T>(&self, then: impl FnOnce(&mut Course) -> T) -> T {
        then(&mut self.course.lock())
    }

    fn kill(&self) {
        self.on_course(|course| course.killed = true);
        self.operator.kill_at_once().unwrap();
    }

    /// Counts a step and says whether it is the last one, and how.
    fn take(&self, name: String, changes: bool) -> Option<Point> {
        self.on_course(|course| {
            let number = course.steps.len();
            course.steps.push(Step { name, changes });
            self.point.clone().filter(|point| point.step == number)
        })
    }

    fn judge(self: &Arc<Self>, request: &ApiRequest) -> Verdict {
        if self.on_course(|course| course.killed) {
            return Verdict::Silence;
        }
        // They are renewed all the time, and change nothing.
        if request.is_watch() || request.is_list() {
            return Verdict::Pass;
        }
        let fate = Arc::clone(self);
        let act = Box::new(move || fate.kill());
        let path = request.path.split('?').next().unwrap_or_default();
        match self.take(format!("{} {path}", request.method), request.is_write()) {
            None => Verdict::Pass,
            Some(Point { after: false, .. }) => Verdict::Before(act),
            Some(Point { after: true, .. }) => Verdict::After(act),
        }
    }

    fn observe(&self, action: &str, moment: Moment) -> bool {
        if self.on_course(|course| course.killed) {
            return moment == Moment::CarriedOut;
        }
        let changes = action == "SetMessageCallback" || action == "DeleteMessageCallback";
        match moment {
            Moment::Arrived => match self.take(action.to_owned(), changes) {
                None => true,
                Some(Point { after: true, .. }) => {
                    self.on_course(|course| course.doomed = Some(action.to_owned()));
                    true
                }
                Some(Point { after: false, .. }) => {
                    self.kill();
                    false
                }
            },
            Moment::CarriedOut => {
                let doomed = self.on_course(|course| course.doomed.take_if(|doomed| doomed == action).is_some());
                if doomed {
                    self.kill();
                }
                !doomed
            }
        }
    }
}

/// One run. Returns the steps of the first operator.
async fn run(scenario: Scenario, point: Option<Point>) -> Vec<Step> {
    let ground = Ground::prepare(control_plane::shared().await.unwrap()).await;
    let first = ground.operator().await;
    scenario.arrange(&ground).await;
    let fate = Arc::new(Fate {
        point: point.clone(),
        operator: Arc::clone(&first),
        course: Mutex::default(),
    });
    let judge = Arc::clone(&fate);
    ground.proxy.judge(move |request| judge.judge(request));
    let observer = Arc::clone(&fate);
    ground.endpoint.world().observer = Some(Arc::new(move |action, moment| observer.observe(action, moment)));

    scenario.act(&ground).await;
    let what = |steps: &[Step]| match &point {
        None => format!("{scenario:?}, undisturbed"),
        Some(Point { step, after }) => {
            let name = steps.get(*step).map_or("none", |step| step.name.as_str());
            let when = if *after { "after" } else { "before" };
            format!("{scenario:?}, killed {when} step {step} ({name})")
        }
    };
    let killed = async || fate.on_course(|course| course.killed);
    eventually("the end, or the operator's", async || match killed().await {
        true => Ok(()),
        false => scenario.ended(&ground).await,
    })
    .await
    .unwrap_or_else(|error| panic!("{}: {error}", what(&fate.on_course(|course| course.steps.clone()))));
    if point.is_none() {
        // What is written last, events say, is a step too.
        tokio::time::sleep(LATE).await;
    } else {
        // The end may be seen before the step that comes to it is through, or a late one begins. Where the order of steps is
        // another one this time there may be none of that number: then the run is like the undisturbed one.
        let _ = wait_until("the operator's end", LATE * 4, killed).await;
    }
    let (steps, killed) = fate.on_course(|course| (course.steps.clone(), course.killed));
    ground.endpoint.world().observer = None;
    ground.proxy.open();
    let mut lives = vec![first];
    if killed {
        lives.push(ground.operator().await);
        eventually("the end", async || scenario.ended(&ground).await)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", what(&steps)));
    }
    ground.settle().await;
    let ended = scenario.ended(&ground).await;
    let lives: Vec<&Operator> = lives.iter().map(AsRef::as_ref).collect();
    let broken = invariants::broken(&ground, &scenario.allowed(killed), &lives);
    assert!(
        ended.is_ok() && broken.is_empty(),
        "{}: {ended:?} {broken:#?}",
        what(&steps)
    );
    steps
}

/// First undisturbed, to learn the steps; then killed at each.
async fn at_every_step(scenario: Scenario) {
    let steps = run(scenario, None).await;
    assert!(steps.len() > 2, "{steps:?}");
    let points = steps.iter().enumerate().flat_map(|(step, taken)| {
        let before = Point { step, after: false };
        // A read that was answered and one that was not leave the same behind.
        let after = taken.changes.then_some(Point { step, after: true });
        [Some(before), after].into_iter().flatten()
    });
    let runs = futures::stream::iter(points).map(|point| run(scenario, Some(point)));
    runs.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_step_of_a_new_resource() {
    at_every_step(Scenario::Create).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_step_of_a_change() {
    at_every_step(Scenario::Change).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_step_of_a_rotation() {
    at_every_step(Scenario::Rotate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_step_of_a_rotation_where_keys_are_hidden() {
    at_every_step(Scenario::RotateHidden).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_step_of_a_correction() {
    at_every_step(Scenario::Drift).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_step_of_a_conflict() {
    at_every_step(Scenario::Conflict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_step_of_a_takeover() {
    at_every_step(Scenario::Takeover).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_step_of_a_deletion() {
    at_every_step(Scenario::Delete).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_step_of_a_deletion_of_what_is_not_ours() {
    at_every_step(Scenario::DeleteNotOurs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_step_of_a_move_to_another_account() {
    at_every_step(Scenario::MoveAccount).await;
}
