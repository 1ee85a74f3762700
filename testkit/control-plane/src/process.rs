//! A child process that is stopped by its own id, whatever happens to the one that started it.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, Result};
use crate::keys::random_u16;
use crate::watchdog;

const POLL: Duration = Duration::from_millis(10);

/// A running child process, killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    child: Mutex<Child>,
}

impl Process {
    /// Starts the command, without stdin, in a process group of its own (so that Ctrl-C in a
    /// terminal reaches only the parent, which then stops its children in order).
    pub fn spawn(name: impl Into<String>, command: &mut Command) -> Result<Self> {
        let name = name.into();
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!(
                "cannot start {name} ({})",
                command.get_program().display()
            )))?;
        let pid = child.id();
        // Built before the watchdog is told, so that a failure there kills the child.
        let process = Self {
            name,
            pid,
            child: Mutex::new(child),
        };
        watchdog::guard(pid)?;
        Ok(process)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What this process is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Hands the child's output pipes to `take`, for instance to read them in threads.
    pub fn with_child<T>(&self, take: impl FnOnce(&mut Child) -> T) -> T {
        take(&mut self.child.lock())
    }

    /// How the process ended; `None` while it runs.
    pub fn exited(&self) -> Result<Option<ExitStatus>> {
        let status = self
            .child
            .lock()
            .try_wait()
            .map_err(Error::io(format!("cannot wait for {}", self.name)))?;
        if status.is_some() {
            watchdog::release(self.pid);
        }
        Ok(status)
    }

    /// Asks the process to end.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Kills the process and waits until it is gone.
    pub fn kill(&self) -> Result<ExitStatus> {
        let mut child = self.child.lock();
        // The lock is held until the process is reaped: no other thread can signal a reused id.
        let killed = child.kill().and_then(|()| child.wait());
        watchdog::release(self.pid);
        killed.map_err(Error::io(format!("cannot kill {}", self.name)))
    }

    /// Freezes the process: it stays connected and answers nothing.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen process go on.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Waits until the process ends by itself.
    pub async fn wait(&self, bound: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            if start.elapsed() > bound {
                return Err(Error::Timeout(format!(
                    "{} (pid {}) still runs after {bound:?}",
                    self.name, self.pid
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks the process to end and waits; kills it when it does not obey within `grace`.
    pub async fn stop(&self, grace: Duration) -> Result<ExitStatus> {
        self.terminate()?;
        match self.wait(grace).await {
            Err(Error::Timeout(_)) => self.kill(),
            other => other,
        }
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let mut child = self.child.lock();
        // While the lock is held nobody reaps the child, so the id is still this child's.
        if child
            .try_wait()
            .map_err(Error::io(format!("cannot wait for {}", self.name)))?
            .is_some()
        {
            return Ok(());
        }
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else {
            return Err(Error::Process(format!("{} has no valid process id", self.name)));
        };
        kill_process(pid, signal)
            .map_err(|errno| Error::io(format!("cannot send {signal:?} to {}", self.name))(errno.into()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing useful can be done about a failure here; the watchdog still knows the id then.
        let _ = self.kill();
    }
}

/// A loopback port that was free a moment ago.
///
/// Below the range from which the system takes the ports of outgoing connections, so that nobody is
/// given it while its server is stopped for a while.
pub fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let port = 10_000 + random_u16()? % 20_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::Process(
        "no free loopback port between 10000 and 30000 in 100 attempts".to_owned(),
    ))
}
