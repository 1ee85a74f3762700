//! Named ways to fail.

use serde::{Deserialize, Serialize};

/// How a call fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub enum How {
    /// An error of the service.
    Code {
        /// The status.
        status: u16,
        /// The code.
        code: String,
        /// The message; `{echo}` stands for everything that was sent.
        #[serde(default)]
        message: String,
        /// Headers such as `x-acs-retry-after`.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// No answer, ever.
    Hang,
    /// The connection ends in the middle of the answer.
    Reset,
    /// A redirect to somewhere else.
    Redirect,
    /// A body that is not JSON.
    Garbage {
        /// The status.
        status: u16,
    },
    /// An endless body.
    Huge,
    /// A body that comes a byte at a time.
    Slow,
    /// `200` and nothing.
    Empty,
    /// A correct answer, late.
    Delay {
        /// How late.
        ms: u64,
    },
}

/// Which calls fail, how, and how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Only this operation.
    #[serde(default)]
    pub action: Option<String>,
    /// Only this account.
    #[serde(default)]
    pub account: Option<String>,
    /// Only this app.
    #[serde(default)]
    pub app: Option<String>,
    /// So many times; absent: until told otherwise.
    #[serde(default)]
    pub times: Option<u32>,
    /// The operation is carried out and only its answer is spoiled.
    #[serde(default)]
    pub after: bool,
    /// How.
    #[serde(flatten)]
    pub failure: Failure,
}

/// How, inside a [`Fault`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Failure(pub How);

impl Fault {
    /// Every call fails like this.
    pub fn always(how: How) -> Self {
        Self {
            action: None,
            account: None,
            app: None,
            times: None,
            after: false,
            failure: Failure(how),
        }
    }

    /// Only calls of this operation.
    #[must_use]
    pub fn action(mut self, action: &str) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Only calls of this account.
    #[must_use]
    pub fn account(mut self, account: &str) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Only calls about this app.
    #[must_use]
    pub fn app(mut self, app: &str) -> Self {
        self.app = Some(app.into());
        self
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// After the operation was carried out.
    #[must_use]
    pub fn after(mut self) -> Self {
        self.after = true;
        self
    }

    /// An error of the service.
    pub fn code(status: u16, code: &str) -> Self {
        Self::always(How::Code {
            status,
            code: code.into(),
            message: String::new(),
            headers: Vec::new(),
        })
    }
}

/// Takes the first fault that fits, and counts it.
pub(crate) fn take(faults: &mut Vec<Fault>, action: &str, account: &str, app: &str) -> Option<Fault> {
    let fits = |want: &Option<String>, is: &str| want.as_deref().is_none_or(|w| w == is);
    let index = faults
        .iter()
        .position(|f| fits(&f.action, action) && fits(&f.account, account) && fits(&f.app, app))?;
    let fault = faults.get_mut(index)?;
    let taken = fault.clone();
    if let Some(times) = &mut fault.times {
        *times = times.saturating_sub(1);
        if *times == 0 {
            faults.remove(index);
        }
    }
    Some(taken)
}
