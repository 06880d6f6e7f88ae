//! Colours and markers. DeLM stands out, central forms are kin, the rest is grey; safe for colour-blind readers
//! (after Okabe and Ito), and every policy has its own marker, so that print in grey still tells them apart.

use super::canvas::{Ink, Marker};
use crate::experiment::Study;
use crate::policy::settings::Form;

/// Look of a policy's line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) ink: Ink,
    pub(super) marker: Marker,
    pub(super) width: f64,
}

pub(super) const TEXT: Ink = Ink(34, 34, 34);
pub(super) const FAINT: Ink = Ink(95, 95, 95);
pub(super) const GRID: Ink = Ink(226, 226, 226);
pub(super) const FRAME: Ink = Ink(130, 130, 130);
pub(super) const WHITE: Ink = Ink(255, 255, 255);

const DELM: [Ink; 3] = [Ink(213, 94, 0), Ink(150, 50, 0), Ink(240, 140, 60)];
const CENTRAL: [Ink; 6] =
    [Ink(18, 62, 124), Ink(0, 114, 178), Ink(86, 180, 233), Ink(112, 102, 196), Ink(0, 140, 130), Ink(120, 150, 190)];
const GREY: [Ink; 2] = [Ink(70, 70, 70), Ink(150, 150, 150)];
const OTHER: [Ink; 3] = [Ink(170, 68, 153), Ink(153, 130, 20), Ink(60, 130, 60)];
const MARKERS: [Marker; 5] = [Marker::Square, Marker::Diamond, Marker::Up, Marker::Down, Marker::Circle];

/// Which kind of policy a colour stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Delm,
    Central,
    Alone,
    Other,
}

fn family(form: Option<Form>) -> Family {
    match form {
        Some(Form::Decentral) => Family::Delm,
        Some(Form::Central) => Family::Central,
        Some(Form::Independent) => Family::Alone,
        None => Family::Other,
    }
}

/// The looks of all policies, in the study's order.
pub(super) fn looks(study: &Study) -> Vec<(String, Look)> {
    let mut names: Vec<(String, Option<Form>)> = Vec::new();
    for cell in &study.cells {
        if !names.iter().any(|(name, _)| *name == cell.policy) {
            names.push((cell.policy.clone(), study.form(&cell.policy)));
        }
    }
    looks_of(&names)
}

/// The looks of named policies of known forms, in their order.
pub(super) fn looks_of(names: &[(String, Option<Form>)]) -> Vec<(String, Look)> {
    let mut looks: Vec<(String, Look)> = Vec::new();
    let mut used = [0_usize; 4];
    for (name, form) in names {
        let family = family(*form);
        let place = used[family as usize];
        used[family as usize] += 1;
        let pick = |inks: &[Ink]| inks[place % inks.len()];
        let (ink, width, first) = match family {
            Family::Delm => (pick(&DELM), 2.0, 4),
            Family::Central => (pick(&CENTRAL), 2.0, 0),
            Family::Alone => (pick(&GREY), 2.0, 1),
            Family::Other => (pick(&OTHER), 2.0, 2),
        };
        let marker = MARKERS[(first + place) % MARKERS.len()];
        looks.push((name.clone(), Look { ink, marker, width }));
    }
    looks
}
