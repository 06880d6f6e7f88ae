//! Two critical paths as bars of coloured stretches on one time axis.

use super::axis::{self, Kind, Scale};
use super::canvas::{Align, Canvas, Ink, WIDTH, fit, text_width};
use super::lines::{foot, head};
use super::phases::{contrast, ink};
use super::style::{FAINT, FRAME, GRID, TEXT};
use super::tick;
use crate::experiment::explain::{Explanation, Label, Side, Stretch};

const LEFT: f64 = 60.0;
const RIGHT: f64 = WIDTH - 48.0;
const TOP: f64 = 118.0;
const BOTTOM: f64 = 562.0;
/// Middles of the bars.
const BARS: [f64; 2] = [236.0, 456.0];
const HALF: f64 = 64.0;
/// Height of the strip under a barrier wait.
const STRIP: f64 = 26.0;
const DEADLINE: Ink = Ink(178, 34, 34);

/// The figure.
pub(super) fn draw(explanation: &Explanation) -> Canvas {
    let sides = &explanation.sides;
    let mut canvas = Canvas::default();
    head(&mut canvas, "Critical paths: what each makespan is spent on", "seconds since the arrival");
    let end = sides.iter().map(|side| side.makespan.as_secs_f64()).fold(0.0, f64::max);
    let ticks = axis::ticks(0.0, 0.0, end, Kind::Amount);
    let scale = Scale::new(ticks.range, (LEFT, RIGHT), false);
    for (value, decimals) in ticks.values.iter().zip(&ticks.decimals) {
        let x = scale.at(*value);
        canvas.line(&[(x, TOP), (x, BOTTOM)], GRID, 1.0, 1.0);
        canvas.text((x, BOTTOM + 18.0), &tick(*value, *decimals), 13.0, TEXT, Align::Centre);
    }
    canvas.line(&[(LEFT, BOTTOM), (RIGHT, BOTTOM)], FRAME, 1.0, 1.0);
    for (side, y) in sides.iter().zip(BARS) {
        bar(&mut canvas, side, &scale, y);
    }
    if let Some(first) = &explanation.first {
        let x = scale.at(first.at.as_secs_f64());
        canvas.dashes((x, TOP - 6.0), (x, BOTTOM), FAINT, 1.0);
        let told = "first decision that differs";
        let align = if x > RIGHT - text_width(told, 13.0) { Align::Right } else { Align::Left };
        canvas.text((x, TOP - 16.0), told, 13.0, FAINT, align);
    }
    legend(&mut canvas, sides);
    let Explanation { scenario, agents, replication, seed, .. } = explanation;
    let waits = sides.iter().any(|side| side.path.iter().any(|s| s.meanwhile.is_some()));
    let strip = if waits { "; strip under a barrier wait: what the slowest does meanwhile" } else { "" };
    foot(&mut canvas, &format!("{scenario}: simulated; N = {agents}; replication {replication}; seed {seed}{strip}."));
    canvas
}

fn bar(canvas: &mut Canvas, side: &Side, scale: &Scale, y: f64) {
    let told = format!("{}, {} s", side.policy, tick(side.makespan.as_secs_f64(), 1));
    canvas.text((LEFT + 8.0, y - HALF - 16.0), &fit(&told, 15.0, RIGHT - LEFT), 15.0, TEXT, Align::Left);
    for (from, to, label) in joined(&side.path) {
        let (x0, x1) = (scale.at(from), scale.at(to));
        canvas.rect((x0, y - HALF), (x1, y + HALF), colour(label));
        let text = tick(to - from, 0);
        if x1 - x0 > text_width(&text, 12.5) + 10.0 {
            canvas.text((f64::midpoint(x0, x1), y), &text, 12.5, contrast(colour(label)), Align::Centre);
        }
    }
    for stretch in &side.path {
        if let Some(label) = stretch.meanwhile {
            let (x0, x1) = (scale.at(stretch.from.as_secs_f64()), scale.at(stretch.to.as_secs_f64()));
            canvas.rect((x0, y + HALF - STRIP), (x1, y + HALF), colour(label));
        }
    }
}

/// Stretches of one label that follow each other are one, in seconds.
fn joined(path: &[Stretch]) -> Vec<(f64, f64, Label)> {
    let mut all: Vec<(f64, f64, Label)> = Vec::new();
    for stretch in path {
        let (from, to) = (stretch.from.as_secs_f64(), stretch.to.as_secs_f64());
        match all.last_mut().filter(|(_, _, label)| *label == stretch.label) {
            Some((_, end, _)) => *end = to,
            None => all.push((from, to, stretch.label)),
        }
    }
    all
}

fn colour(label: Label) -> Ink {
    ink(label.name()).unwrap_or(DEADLINE)
}

fn legend(canvas: &mut Canvas, sides: &[Side; 2]) {
    let is_there = |label: &Label| {
        sides.iter().any(|side| side.path.iter().any(|s| s.label == *label || s.meanwhile == Some(*label)))
    };
    let column = (RIGHT - LEFT) / 6.0;
    for (i, label) in Label::ALL.into_iter().filter(is_there).enumerate() {
        let (x, y) = (LEFT + column * (i % 6) as f64, BOTTOM + 62.0 + 26.0 * (i / 6) as f64);
        canvas.rect((x, y - 7.0), (x + 14.0, y + 7.0), colour(label));
        canvas.text((x + 21.0, y), label.name(), 14.0, TEXT, Align::Left);
    }
}
