//! A small line chart as SVG. The file carries its own numbers, so that the second subject's curve can join the first's.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::Result;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 48.0;
const TICKS: u32 = 5;
const COLOURS: [&str; 2] = ["#1f6feb", "#d29922"];
const DATA: &str = "<metadata>";

/// Points of one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// An empty one.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            points: Vec::new(),
        }
    }

    /// Adds a point.
    pub fn push(&mut self, x: f64, y: f64) {
        self.points.push((x, y));
    }

    /// The last point's height.
    pub fn last(&self) -> Option<f64> {
        self.points.last().map(|(_, y)| *y)
    }

    fn to_json(&self) -> Value {
        json!({ "name": self.name, "points": self.points })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let points = value.get("points")?.as_array()?;
        Some(Self {
            name: value.get("name")?.as_str()?.to_owned(),
            points: points
                .iter()
                .filter_map(|point| Some((point.get(0)?.as_f64()?, point.get(1)?.as_f64()?)))
                .collect(),
        })
    }
}

/// Curves in one frame.
pub struct Plot {
    title: String,
    x_label: String,
    curves: Vec<Curve>,
}

impl Plot {
    /// Writes the file anew with this curve in it, in the place of one of the same name, beside the others there are.
    pub fn amend(path: &Path, title: &str, x_label: &str, curve: Curve) -> Result<()> {
        let mut curves = fs::read_to_string(path).map_or_else(|_| Vec::new(), |text| curves_of(&text));
        curves.retain(|other| other.name != curve.name);
        curves.push(curve);
        // "ours" before "peer".
        curves.sort_by(|one, other| one.name.cmp(&other.name));
        let plot = Self {
            title: title.to_owned(),
            x_label: x_label.to_owned(),
            curves,
        };
        Ok(fs::write(path, plot.svg())?)
    }

    fn svg(&self) -> String {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let most_x = points().map(|(x, _)| *x).fold(1.0, f64::max);
        let most_y = round_up(points().map(|(_, y)| *y).fold(0.0, f64::max));
        let place = |x: f64, y: f64| {
            (
                LEFT + x / most_x * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - y / most_y * (HEIGHT - TOP - BOTTOM),
            )
        };
        let data = Value::from(self.curves.iter().map(Curve::to_json).collect::<Vec<_>>());
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n{DATA}{data}</metadata>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">{}</text>\n",
            self.title
        );
        for tick in 0..=TICKS {
            let share = f64::from(tick) / f64::from(TICKS);
            let ((x, zero), (left, y)) = (place(most_x * share, 0.0), place(0.0, most_y * share));
            let right = WIDTH - RIGHT;
            let _ = writeln!(
                svg,
                "<path d=\"M{left:.1} {y:.1}H{right}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0}</text>",
                left - 6.0,
                y + 4.0,
                short(most_y * share),
                zero + 18.0,
                most_x * share
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 8.0,
            self.x_label
        );
        for (n, (curve, colour)) in self.curves.iter().zip(COLOURS).enumerate() {
            let placed: Vec<(f64, f64)> = curve.points.iter().map(|(x, y)| place(*x, *y)).collect();
            let line: Vec<String> = placed.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let _ = write!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                line.join(" ")
            );
            for (x, y) in placed {
                let _ = write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
            }
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" fill=\"{colour}\">{}</text>",
                LEFT + 10.0,
                TOP + 14.0 + 16.0 * n as f64,
                curve.name
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn curves_of(svg: &str) -> Vec<Curve> {
    let data = svg
        .split_once(DATA)
        .and_then(|(_, rest)| rest.split_once("</metadata>"));
    let data: Option<Value> = data.and_then(|(data, _)| serde_json::from_str(data).ok());
    let Some(Value::Array(curves)) = data else {
        return Vec::new();
    };
    curves.iter().filter_map(Curve::from_json).collect()
}

/// The next of 1, 2, 5, 10, 20 …
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(f64::MIN_POSITIVE).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= value).unwrap_or(1.0)
}

fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_can_be_read_back() {
        let mut curve = Curve::new("ours");
        curve.push(1000.0, 12.5);
        curve.push(2000.0, 20.0);
        let plot = Plot {
            title: "Memory".to_owned(),
            x_label: "resources".to_owned(),
            curves: vec![curve.clone()],
        };
        assert_eq!(curves_of(&plot.svg()), [curve]);
        assert!(curves_of("<svg/>").is_empty());
    }

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!(
            [0.7, 1.0, 13.0, 48.0, 501.0].map(round_up),
            [1.0, 1.0, 20.0, 50.0, 1000.0]
        );
    }
}
