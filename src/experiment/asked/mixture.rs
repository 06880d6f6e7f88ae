//! The best that a policy can do within a spend: of all its points, or of two of them mixed over tasks.
//!
//! A user with many tasks can run one point on some of them and a dearer one on the rest, so that any spend between two
//! points can be met exactly. What is attainable is therefore the upper concave hull of the points, which moves
//! continuously with the spend: no point falls out because it is a cent too dear.

/// What a policy takes: a point, or two neighbours on the hull mixed, and the hull's cheaper points below them. What a
/// point spends on other runs than those that chose it is not what it spent there, and costs have heavy tails: whoever
/// overspends there goes down this ladder.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mixture {
    /// Points of the hull, from the cheapest up to the dearest that is taken.
    ladder: Vec<usize>,
    /// Share of the last; the one before it has the rest.
    share: f64,
}

/// A point or two with their shares of the tasks, which sum to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shares {
    parts: [(usize, f64); 2],
}

impl Shares {
    /// Candidates that take part, with their shares.
    pub(super) fn parts(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.parts.iter().copied().filter(|(_, share)| *share > 0.0)
    }

    /// The mean of a quantity of the candidates.
    pub(super) fn mean(&self, of: impl Fn(usize) -> f64) -> f64 {
        self.parts().map(|(candidate, share)| share * of(candidate)).sum()
    }
}

impl Mixture {
    /// The same of candidates with other numbers.
    pub(super) fn renamed(mut self, name: impl Fn(usize) -> usize) -> Self {
        self.ladder.iter_mut().for_each(|candidate| *candidate = name(*candidate));
        self
    }

    /// As it was chosen.
    pub(super) fn shares(&self) -> Shares {
        let last = self.ladder.len() - 1;
        Shares { parts: [(self.ladder[last.saturating_sub(1)], 1.0 - self.share), (self.ladder[last], self.share)] }
    }

    /// Shared out so that other runs spend at most the limit: the dearest point of the ladder that does, and as much of
    /// the next dearer one as is left for. If all spend more, the cheapest of the ladder, which overspends.
    ///
    /// # Errors
    /// A candidate whose spend is needed and not known.
    pub(super) fn settled(&self, spend: impl Fn(usize) -> Option<f64>, most: f64) -> Result<Shares, usize> {
        let known = |candidate: usize| spend(candidate).ok_or(candidate);
        let mut dearer: Option<(usize, f64)> = None;
        let mut least: Option<(usize, f64)> = None;
        for &candidate in self.ladder.iter().rev() {
            let spends = known(candidate)?;
            if spends <= most {
                let parts = match dearer {
                    None => [(candidate, 0.0), (candidate, 1.0)],
                    Some((above, high)) => {
                        let share = (most - spends) / (high - spends);
                        [(candidate, 1.0 - share), (above, share)]
                    }
                };
                return Ok(Shares { parts });
            }
            if least.is_none_or(|(_, least)| spends < least) {
                least = Some((candidate, spends));
            }
            dearer = Some((candidate, spends));
        }
        let (candidate, _) = least.expect("a ladder has a point");
        Ok(Shares { parts: [(candidate, 0.0), (candidate, 1.0)] })
    }
}

/// The best mixture of `points` (spend, worth) whose mean spend is at most `most`; greater worth is better. None if even
/// the least spend is more.
pub(super) fn best(points: &[(f64, f64)], most: f64) -> Option<Mixture> {
    let mut order: Vec<usize> =
        (0..points.len()).filter(|i| points[*i].0.is_finite() && points[*i].1.is_finite()).collect();
    // At equal spend the better one comes last, so that it covers the other.
    order.sort_by(|a, b| points[*a].0.total_cmp(&points[*b].0).then(points[*a].1.total_cmp(&points[*b].1)));
    if order.first().is_none_or(|i| points[*i].0 > most) {
        return None;
    }
    // Upper concave hull from the cheapest point on.
    let mut hull: Vec<usize> = Vec::new();
    for &i in &order {
        if let Some(&last) = hull.last()
            && points[last].0 == points[i].0
        {
            hull.pop();
        }
        while let [.., a, b] = hull[..] {
            let ((xa, ya), (xb, yb), (x, y)) = (points[a], points[b], points[i]);
            if (yb - ya) * (x - xa) > (y - ya) * (xb - xa) {
                break;
            }
            hull.pop();
        }
        hull.push(i);
    }
    let within = hull.iter().take_while(|i| points[**i].0 <= most).count();
    let last = within - 1;
    let ladder = |top: usize| hull[..=top].to_vec();
    // To spend more does not help where the hull falls.
    let top = (0..within).max_by(|a, b| points[hull[*a]].1.total_cmp(&points[hull[*b]].1)).unwrap_or(last);
    if top < last {
        return Some(Mixture { ladder: ladder(top), share: 1.0 });
    }
    let here = hull[last];
    let Some(&next) = hull.get(within).filter(|next| points[**next].1 > points[here].1) else {
        return Some(Mixture { ladder: ladder(last), share: 1.0 });
    };
    let share = (most - points[here].0) / (points[next].0 - points[here].0);
    Some(Mixture { ladder: ladder(within), share })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worth(points: &[(f64, f64)], most: f64) -> Option<f64> {
        let shares = best(points, most)?.shares();
        assert!(shares.mean(|i| points[i].0) <= most + 1e-12);
        assert!((shares.parts().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-12);
        Some(shares.mean(|i| points[i].1))
    }

    fn settled(mixture: &Mixture, spends: &[f64], most: f64) -> Shares {
        mixture.settled(|i| Some(spends[i]), most).unwrap()
    }

    /// Numbers of [0, 1).
    fn draws() -> impl FnMut() -> f64 {
        let mut state = 7_u64;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1_u64 << 31) as f64
        }
    }

    #[test]
    fn the_hull_is_met_exactly_and_never_left() {
        let points = [(1.0, 0.4), (2.0, 0.5), (4.0, 0.8), (3.0, 0.2), (5.0, 0.7)];
        assert_eq!(worth(&points, 0.9), None);
        assert_eq!(worth(&points, 1.0), Some(0.4));
        // (2, .5) lies below the line from (1, .4) to (4, .8).
        assert!((worth(&points, 2.0).unwrap() - (0.4 + 0.4 / 3.0)).abs() < 1e-12);
        assert_eq!(worth(&points, 4.0), Some(0.8));
        assert_eq!(worth(&points, 100.0), Some(0.8), "what is dearer and worse is not bought");
    }

    #[test]
    fn shares_follow_the_spend_of_other_runs() {
        let mixture = best(&[(1.0, 0.4), (3.0, 0.8)], 2.5).unwrap();
        assert_eq!(mixture.shares().parts().collect::<Vec<_>>(), [(0, 0.25), (1, 0.75)]);
        let spends = [1.25, 5.25];
        let met = settled(&mixture, &spends, 2.25);
        assert_eq!(met.parts().collect::<Vec<_>>(), [(0, 0.75), (1, 0.25)]);
        assert!((met.mean(|i| spends[i]) - 2.25).abs() < 1e-12);
        assert_eq!(settled(&mixture, &spends, 9.0).mean(|i| spends[i]), 5.25, "no more is spent than the dearest does");
    }

    #[test]
    fn a_pure_point_that_overspends_elsewhere_gives_way_to_cheaper_ones() {
        let pilots = [(1.0, 0.4), (2.0, 0.6), (3.0, 0.7), (9.0, 0.1)];
        let mixture = best(&pilots, 3.5).unwrap();
        assert_eq!(mixture.shares().parts().collect::<Vec<_>>(), [(2, 1.0)], "what is dearer and worse is not bought");
        let met = |spends: [f64; 4]| settled(&mixture, &spends, 3.5).parts().collect::<Vec<_>>();
        assert_eq!(met([1.0, 2.0, 3.4, 9.0]), [(2, 1.0)]);
        assert_eq!(met([1.0, 2.5, 4.5, 9.0]), [(1, 0.5), (2, 0.5)], "it shares with the next cheaper one");
        assert_eq!(met([1.5, 5.5, 8.0, 9.0]), [(0, 0.5), (1, 0.5)], "and so on down the hull");
        assert_eq!(met([4.0, 3.8, 6.0, 9.0]), [(1, 1.0)], "nothing is within: the least there is");
        assert_eq!(mixture.settled(|i| (i == 2).then_some(4.0), 3.5), Err(1), "the next cheaper one is asked for");
        assert!(mixture.settled(|i| (i == 2).then_some(3.5), 3.5).is_ok(), "and only if it is needed");
    }

    #[test]
    fn nobody_spends_more_than_the_limit_where_something_is_within() {
        let mut draw = draws();
        for _ in 0..2000 {
            let points: Vec<(f64, f64)> = (0..6).map(|_| (draw(), draw())).collect();
            let most = 0.2 + 0.8 * draw();
            let Some(mixture) = best(&points, most) else { continue };
            let spends: Vec<f64> = points.iter().map(|(spend, _)| spend * (0.5 + draw())).collect();
            let shares = settled(&mixture, &spends, most);
            let met = shares.mean(|i| spends[i]);
            let least = mixture.ladder.iter().map(|i| spends[*i]).fold(f64::MAX, f64::min);
            assert!(met <= most.max(least) * (1.0 + 1e-12), "{met} {most} {least}");
            assert!(shares.parts().all(|(i, share)| mixture.ladder.contains(&i) && share <= 1.0));
        }
    }

    #[test]
    fn no_mixture_of_two_points_beats_it() {
        let mut draw = draws();
        for _ in 0..200 {
            let points: Vec<(f64, f64)> = (0..6).map(|_| (draw(), draw())).collect();
            let most = draw();
            let mut brute: Option<f64> = None;
            for a in &points {
                for b in &points {
                    for step in 0..=200 {
                        let share = f64::from(step) / 200.0;
                        let spend = a.0 * (1.0 - share) + b.0 * share;
                        let value = a.1 * (1.0 - share) + b.1 * share;
                        if spend <= most && brute.is_none_or(|best| value > best) {
                            brute = Some(value);
                        }
                    }
                }
            }
            match (worth(&points, most), brute) {
                (None, None) => {}
                (Some(ours), Some(brute)) => assert!(ours >= brute - 1e-12 && ours <= brute + 0.02, "{ours} {brute}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
