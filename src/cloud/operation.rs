/// The three operations of VOD that the setting is made of. The service counts each apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Reads the setting.
    Get,
    /// Makes or replaces it.
    Set,
    /// Removes it.
    Delete,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 3] = [Self::Get, Self::Set, Self::Delete];

    /// The service's name for it, also the label in metrics.
    pub const fn action(self) -> &'static str {
        match self {
            Self::Get => "GetMessageCallback",
            Self::Set => "SetMessageCallback",
            Self::Delete => "DeleteMessageCallback",
        }
    }

    /// Whether the spec's fields are what it sends: only then can a refused parameter be the user's to correct.
    pub const fn sends_the_spec(self) -> bool {
        match self {
            Self::Set => true,
            Self::Get | Self::Delete => false,
        }
    }

    /// Its number, for tables with a place for each.
    pub const fn index(self) -> usize {
        match self {
            Self::Get => 0,
            Self::Set => 1,
            Self::Delete => 2,
        }
    }
}
