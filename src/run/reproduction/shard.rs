use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One of several parts of a plan that different machines work on, written `I/N`: part I of N, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Every N-th item, from the I-th on.
    pub fn of<T: Clone>(self, items: &[T]) -> Vec<T> {
        items.iter().skip(self.index - 1).step_by(self.count).cloned().collect()
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |text: &str| text.parse::<usize>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let parts = text.split_once('/').and_then(|(index, count)| Some((number(index)?, number(count)?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            Some((_, count @ 1..)) => {
                Err(Error::argument(format!("shards are numbered 1/{count} to {count}/{count}, got `{text}`")))
            }
            _ => Err(Error::argument(format!("a shard is I/N, part I of N from 1, e.g. 1/4; got `{text}`"))),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl TryFrom<String> for Shard {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_every_item_once() {
        for (items, count) in [(7, 3), (2, 5), (0, 1), (6, 2)] {
            let items: Vec<usize> = (0..items).collect();
            let part = |index| Shard { index, count }.of(&items);
            let mut all: Vec<usize> = (1..=count).flat_map(part).collect();
            all.sort_unstable();
            assert_eq!(all, items);
        }
        assert_eq!("2/3".parse::<Shard>().unwrap().of(&["a", "b", "c", "d", "e"]), ["b", "e"]);
    }

    #[test]
    fn wrong_shards_are_refused() {
        let error = |text: &str| text.parse::<Shard>().unwrap_err().to_string();
        assert_eq!(error("0/2"), "shards are numbered 1/2 to 2/2, got `0/2`");
        assert_eq!(error("3/2"), "shards are numbered 1/2 to 2/2, got `3/2`");
        for text in ["", "1", "/", "1/", "1/0", "0/0", "-1/2", "+1/2", "1/2/3", "a/b"] {
            assert!(error(text).starts_with("a shard is I/N"), "{text}");
        }
    }
}
