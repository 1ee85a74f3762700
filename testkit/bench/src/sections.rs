//! What is measured, by theme.

mod bulk;
mod crowd;
mod latency;
mod many;
mod plots;
mod rest;
mod size;
mod start;

use crate::Result;
use crate::figure::Figure;
use crate::sizes::Sizes;
use crate::subject::Subject;

/// A theme that can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The program and the image.
    Size,
    /// From the start to ready and to the first call, and the stop.
    Start,
    /// One resource at a time, and a rotated key.
    Latency,
    /// Many new resources.
    Bulk,
    /// A change beside a crowd.
    Crowd,
    /// What it costs when nothing happens, and after a restart.
    Rest,
    /// Ten thousand resources.
    Many,
    /// Curves over the number of resources, written to `docs/`.
    Plots,
}

const ALL: [(&str, Section); 8] = [
    ("size", Section::Size),
    ("start", Section::Start),
    ("latency", Section::Latency),
    ("bulk", Section::Bulk),
    ("crowd", Section::Crowd),
    ("rest", Section::Rest),
    ("many", Section::Many),
    ("plots", Section::Plots),
];

impl Section {
    /// Those named; without a name all but the long ones (`many`, `plots`); `all` for all.
    pub fn chosen(names: &[String]) -> Result<Vec<Self>> {
        let everything = names.iter().any(|name| name == "all");
        if let Some(unknown) = names
            .iter()
            .find(|n| *n != "all" && !ALL.iter().any(|(name, _)| name == n))
        {
            let known: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
            return Err(format!("no section {unknown}; there are {} and all", known.join(", ")).into());
        }
        let wanted = |name: &str, section: Self| {
            everything
                || names.iter().any(|n| n == name)
                || (names.is_empty() && !matches!(section, Self::Many | Self::Plots))
        };
        Ok(ALL.into_iter().filter(|(n, s)| wanted(n, *s)).map(|(_, s)| s).collect())
    }

    /// Measures one subject.
    pub async fn measure(self, subject: &Subject, sizes: &Sizes) -> Result<Vec<Figure>> {
        match self {
            Self::Size => size::measure(subject),
            Self::Start => start::measure(subject, sizes).await,
            Self::Latency => latency::measure(subject, sizes).await,
            Self::Bulk => bulk::measure(subject, sizes).await,
            Self::Crowd => crowd::measure(subject, sizes).await,
            Self::Rest => rest::measure(subject, sizes).await,
            Self::Many => many::measure(subject, sizes).await,
            Self::Plots => plots::measure(subject, sizes).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str]) -> Vec<Section> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Section::chosen(&names).unwrap_or_default()
    }

    #[test]
    fn sections_are_chosen_by_name() {
        assert_eq!(chosen(&["bulk", "start"]), [Section::Start, Section::Bulk]);
        assert_eq!(chosen(&["all"]).len(), ALL.len());
        assert!(!chosen(&[]).contains(&Section::Many));
        assert!(chosen(&["bulks"]).is_empty());
    }
}
