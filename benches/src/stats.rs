//! Medians and ranges of rounds, percentiles within one.

use serde::Serialize;

/// The values of all rounds, as median and range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// Median.
    pub median: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

impl Summary {
    /// Summarises values; `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            1 => values[middle],
            _ => (values[middle - 1] + values[middle]) / 2.0,
        };
        Some(Self { median, min, max })
    }

    /// For a table: `median (min–max)`.
    pub fn show(&self) -> String {
        format!("{} ({}–{})", number(self.median), number(self.min), number(self.max))
    }
}

/// Two percentiles of a round's values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
}

impl Percentiles {
    /// Of any values; NaN if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        Self { p50: percentile(&values, 0.5), p99: percentile(&values, 0.99) }
    }
}

/// The value at `part` (0 to 1) of sorted values; NaN if there are none.
pub fn percentile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Three significant digits, thousands separated.
pub fn number(value: f64) -> String {
    if value.abs() >= 1_000.0 {
        let digits = format!("{value:.0}");
        let mut shown = String::new();
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                shown.push(',');
            }
            shown.push(digit);
        }
        shown
    } else if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_and_even_counts() {
        assert_eq!(Summary::of([3.0, 1.0, 2.0]).expect("some").median, 2.0);
        let even = Summary::of([4.0, 1.0, 3.0, 2.0]).expect("some");
        assert_eq!((even.median, even.min, even.max), (2.5, 1.0, 4.0));
        assert_eq!(Summary::of([]), None);
    }

    #[test]
    fn percentiles_are_values_that_were_there() {
        let found = Percentiles::of((1..=201).rev().map(f64::from));
        assert_eq!((found.p50, found.p99), (101.0, 199.0));
        let only = Percentiles::of([7.0]);
        assert_eq!((only.p50, only.p99), (7.0, 7.0));
        assert!(Percentiles::of([]).p50.is_nan() && percentile(&[], 0.99).is_nan());
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(12_345.6), "12,346");
        assert_eq!(number(1_000_000.0), "1,000,000");
        assert_eq!(number(244.4), "244");
        assert_eq!(number(24.44), "24.4");
        assert_eq!(number(2.444), "2.44");
    }
}
