//! The message chart of a run: one column per node, time from top to bottom.
//!
//! An arrow is drawn where a message arrives for the first time, from the node that made it; what
//! others pass on and what arrives again is left out. A cross at the head of an arrow is a message
//! that was lost.

use std::collections::BTreeSet;

use super::{Known, World};

/// Columns of the whole chart.
const WIDTH: usize = 120;
/// Columns of the time.
const TIME: usize = 11;
/// The widest column of a node.
const WIDEST: usize = 27;
/// After how many rows the names of the nodes are repeated.
const PAGE: usize = 40;

/// Something to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// Arrows of one message that arrive in the same millisecond.
    Arrows { from: usize, key: u64, label: String, to: Vec<(usize, bool)> },
    /// Something that happens in a node.
    Note { node: usize, text: String },
    /// Something that happens to all.
    All { text: String },
}

/// What a run draws.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Time in microseconds, which nodes run, and what happened.
    rows: Vec<(u64, Vec<bool>, Entry)>,
    /// Which messages have arrived where.
    arrived: BTreeSet<(u64, usize, bool)>,
}

impl Chart {
    /// Adds an arrow, unless one like it was drawn before.
    fn arrow(
        &mut self,
        (at, up): (u64, Vec<bool>),
        (from, to): (usize, usize),
        (key, known): (u64, &Known),
        arrives: bool,
    ) {
        if self.arrived.contains(&(key, to, true)) || !self.arrived.insert((key, to, arrives)) {
            return;
        }
        for (time, _, entry) in self.rows.iter_mut().rev().take(40) {
            match entry {
                Entry::Arrows { from: sender, key: other, to: receivers, .. }
                    if *sender == from && *other == key && *time / 1_000 == at / 1_000 =>
                {
                    receivers.push((to, arrives));
                    return;
                }
                Entry::Note { node, .. } if *node == from || *node == to => break,
                Entry::All { .. } => break,
                _ => {}
            }
        }
        let entry = Entry::Arrows { from, key, label: known.label(), to: vec![(to, arrives)] };
        self.rows.push((at, up, entry));
    }

    /// The last `count` rows as text.
    pub fn lines(&self, count: usize) -> Vec<String> {
        let first = self.rows.len().saturating_sub(count);
        let mut lines = Vec::new();
        if first > 0 {
            lines.push(format!("… {first} rows before"));
        }
        for (number, (at, up, entry)) in self.rows[first..].iter().enumerate() {
            let columns = Columns { count: up.len() };
            if number % PAGE == 0 {
                lines.push(columns.head());
            }
            let time = format!("{:>5}.{:03} ", at / 1_000_000, at / 1_000 % 1_000);
            lines.push(format!("{time:<TIME$}{}", columns.row(up, entry).trim_end()));
        }
        lines
    }
}

/// Where the columns of nodes stand.
#[derive(Debug, Clone, Copy)]
struct Columns {
    count: usize,
}

impl Columns {
    fn width(self) -> usize {
        ((WIDTH - TIME) / self.count.max(1)).min(WIDEST)
    }

    /// Where the line of a node stands, counted from the end of the time.
    fn line(self, node: usize) -> usize {
        self.width() * node + self.width() / 2
    }

    fn head(self) -> String {
        let mut row = vec![' '; self.width() * self.count];
        for node in 0..self.count {
            let name = format!("node {node}");
            write(&mut row, self.line(node).saturating_sub(name.len() / 2), &name, usize::MAX);
        }
        format!("{:TIME$}{}", "", row.into_iter().collect::<String>().trim_end())
    }

    fn row(self, up: &[bool], entry: &Entry) -> String {
        let mut row = vec![' '; self.width() * self.count];
        for (node, runs) in up.iter().enumerate() {
            row[self.line(node)] = if *runs { '│' } else { '·' };
        }
        match entry {
            Entry::All { text } => {
                row.fill('═');
                write(&mut row, 2, &format!(" {text} "), usize::MAX);
            }
            Entry::Note { node, text } => {
                let line = self.line(*node);
                row[line] = '■';
                // The last column has room on its left only.
                let room = self.width() - 2;
                let length = text.chars().count().min(room);
                let right = line + 1 + length < row.len();
                let start = if right { line + 1 } else { line.saturating_sub(length) };
                write(&mut row, start, text, room);
            }
            Entry::Arrows { from, label, to, .. } => self.arrows(&mut row, *from, label, to),
        }
        row.into_iter().collect()
    }

    fn arrows(self, row: &mut [char], from: usize, label: &str, to: &[(usize, bool)]) {
        let start = self.line(from);
        let ends = to.iter().map(|(node, _)| self.line(*node));
        let (low, high) = ends.fold((start, start), |(low, high), at| (low.min(at), high.max(at)));
        for place in &mut row[low..=high] {
            *place = if *place == ' ' { '─' } else { '┼' };
        }
        for (node, arrives) in to {
            let line = self.line(*node);
            row[line] = match (arrives, line > start) {
                (false, _) => '✗',
                (true, true) => '▶',
                (true, false) => '◀',
            };
        }
        row[start] = '●';
        let room = self.width() - 3;
        let length = label.chars().count().min(room);
        let at = if high > start { start + 2 } else { start - 1 - length };
        write(row, at, label, room);
    }
}

/// Writes at most `room` characters.
fn write(row: &mut [char], start: usize, text: &str, room: usize) {
    for (place, letter) in row.iter_mut().skip(start).zip(text.chars().take(room)) {
        *place = letter;
    }
}

impl Known {
    /// How a message is named in a chart.
    fn label(&self) -> String {
        let kind = format!("{:?}", self.kind);
        let kind = kind.replace("RoundChange", "Change");
        let what = match self.certificate {
            Some(round) => format!("cert {round}"),
            None => self.tag.map_or_else(String::new, |[a, b]| format!("{a:02x}{b:02x}")),
        };
        format!("{kind} {}/{} {what} ", self.height, self.round).trim_end().to_owned() + " "
    }
}

impl World {
    fn running(&self) -> Vec<bool> {
        self.nodes.iter().map(|node| node.is_up() && !node.asleep).collect()
    }

    /// A message arrives, or is lost.
    pub(super) fn draw_arrow(&mut self, from: usize, to: usize, key: u64, arrives: bool) {
        if self.chart.is_none() {
            return;
        }
        let Some(known) = self.known.get(&key).copied() else { return };
        if known.author != Some(self.nodes[from].member) {
            return;
        }
        let row = (self.now, self.running());
        if let Some(chart) = &mut self.chart {
            chart.arrow(row, (from, to), (key, &known), arrives);
        }
    }

    /// Something happens in a node.
    pub(super) fn draw_note(&mut self, node: usize, text: impl FnOnce() -> String) {
        let up = if self.chart.is_some() { self.running() } else { return };
        if let Some(chart) = &mut self.chart {
            chart.rows.push((self.now, up, Entry::Note { node, text: text() }));
        }
    }

    /// Something happens to all.
    pub(super) fn draw_all(&mut self, text: impl FnOnce() -> String) {
        let up = if self.chart.is_some() { self.running() } else { return };
        if let Some(chart) = &mut self.chart {
            chart.rows.push((self.now, up, Entry::All { text: text() }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::wire::Kind;

    fn known(kind: Kind) -> Known {
        Known {
            author: Some(0),
            content: 0,
            height: 12,
            kind,
            round: 3,
            tag: Some([0xab, 0x01]),
            certificate: None,
        }
    }

    #[test]
    fn arrows_point_from_the_sender_to_each_receiver() {
        let mut chart = Chart::default();
        let row = || (1_234_567, vec![true; 4]);
        let proposal = known(Kind::Proposal);
        chart.arrow(row(), (1, 0), (7, &proposal), true);
        chart.arrow(row(), (1, 3), (7, &proposal), true);
        chart.arrow(row(), (1, 2), (7, &proposal), false);
        // What arrives again is not drawn.
        chart.arrow((9_000_000, vec![true; 4]), (1, 3), (7, &proposal), true);
        let lines = chart.lines(50);
        assert_eq!(lines.len(), 2);
        let arrows: String = lines[1].chars().skip(TIME).collect();
        assert!(lines[1].starts_with("    1.234"));
        let at = |node: usize| arrows.chars().nth(Columns { count: 4 }.line(node));
        assert_eq!([at(0), at(1), at(2), at(3)], [Some('◀'), Some('●'), Some('✗'), Some('▶')]);
        assert!(arrows.contains("Proposal 12/3 ab01"));
    }

    #[test]
    fn charts_of_all_sizes_fit() {
        for count in 1..=14 {
            let mut chart = Chart::default();
            let row = || (99_999_999_999, vec![true; count]);
            for from in 0..count {
                for to in (0..count).filter(|to| *to != from) {
                    let change = known(Kind::RoundChange);
                    chart.arrow(row(), (from, to), (from as u64, &change), true);
                }
                let text = "something long that happens here".to_owned();
                chart.rows.push((1, vec![false; count], Entry::Note { node: from, text }));
            }
            chart.rows.push((2, vec![false; count], Entry::All { text: "heals".into() }));
            for line in chart.lines(100) {
                assert!(line.chars().count() <= WIDTH, "{count}: {line}");
            }
        }
    }
}
