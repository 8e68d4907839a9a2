use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::configs::Configs;
use super::json::{read_json, write_json};
use super::report::Origin;
use super::shard::Shard;
use crate::data::fingerprint;
use crate::disk::hint;
use crate::error::{Error, Result};
use crate::run::Config;

/// File name of the plan, by which a run that was cut short goes on and shards are compared.
pub const PLAN_FILE: &str = "plan.json";

/// What to reproduce.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Folder of categories.
    pub data: PathBuf,
    /// Config files of the base; without any, that of the program.
    pub configs: Vec<PathBuf>,
    /// Names of categories; without any, all that have training images.
    pub categories: Vec<String>,
    /// Number of seeds, from 0.
    pub seeds: u64,
    /// Overrides `train.steps`.
    pub steps: Option<u64>,
    /// The part of the plan to work on.
    pub shard: Option<Shard>,
}

/// One training: a category and a seed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedRun {
    /// Name of the category.
    pub category: String,
    /// Seed.
    pub seed: u64,
}

/// The config of a category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryConfig {
    /// Whether the category has a config file of its own over the base.
    pub own: bool,
    /// The complete config as TOML, with seed 0.
    pub config: String,
    /// The [fingerprint] of the images; empty in plans of a version that did not record it.
    #[serde(default)]
    pub images: String,
}

/// All runs, and which of them this process makes; the content of `plan.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What all runs have in common.
    #[serde(flatten)]
    pub origin: Origin,
    /// Optimiser steps of each run.
    pub steps: u64,
    /// Minutes that `steps` was chosen for; none if it was not chosen by time.
    pub budget_minutes: Option<f64>,
    /// The part of the runs that this process makes; none for all.
    pub shard: Option<Shard>,
    /// The runs of all shards: every category with the first seed, then every category with the next.
    pub runs: Vec<PlannedRun>,
    /// Configs by category.
    pub configs: BTreeMap<String, CategoryConfig>,
}

impl Plan {
    /// The plan of a request. `device` and `precision` are those of the backend.
    ///
    /// # Errors
    /// A folder or category that does not exist; an image that cannot be read; a config that is not valid.
    pub fn new(request: &Request, device: String, precision: &str) -> Result<Self> {
        let categories = chosen(&request.data, &request.categories)?;
        let configs = Configs::new(&request.configs, request.steps)?;
        let base = configs.base()?;
        let config = |category: &String| {
            let (config, own) = configs.of(category)?;
            let images = fingerprint(&request.data.join(category))?;
            Ok((category.clone(), CategoryConfig { own, config: config.to_toml()?, images }))
        };
        let run = |seed| categories.iter().map(move |category| PlannedRun { category: category.clone(), seed });
        Ok(Self {
            origin: Origin {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                commit: crate::run::COMMIT.to_owned(),
                device,
                precision: precision.to_owned(),
                base_config_hash: base.hash()?,
            },
            steps: base.train.steps,
            budget_minutes: None,
            shard: request.shard,
            runs: (0..request.seeds).flat_map(run).collect(),
            configs: categories.iter().map(config).collect::<Result<_>>()?,
        })
    }

    /// The same plan with the number of steps that was chosen for a budget. The hash of the base config is that with these steps.
    ///
    /// # Errors
    /// A config that is not valid.
    pub fn with_budget(self, request: &Request, budget: Duration, steps: u64) -> Result<Self> {
        let configs = Configs::new(&request.configs, Some(steps))?;
        let mut own = Self { steps, budget_minutes: Some(minutes(budget)), ..self };
        own.origin.base_config_hash = configs.base()?.hash()?;
        for (category, known) in &mut own.configs {
            known.config = configs.of(category)?.0.to_toml()?;
        }
        Ok(own)
    }

    /// The runs that this process makes.
    pub fn own_runs(&self) -> Vec<PlannedRun> {
        self.shard.map_or_else(|| self.runs.clone(), |shard| shard.of(&self.runs))
    }

    /// The complete config of a run.
    ///
    /// # Errors
    /// A category that the plan lacks; a config that is not valid, in a plan from a file.
    pub fn config(&self, run: &PlannedRun) -> Result<Config> {
        let text = self.configs.get(&run.category).map(|own| own.config.as_str());
        let text = text.ok_or_else(|| Error::argument(format!("the plan has no config for {}", run.category)))?;
        Ok(Config { seed: run.seed, ..Config::parse(text)? })
    }

    /// Whether a category has a config of its own over the base.
    pub fn has_own_config(&self, category: &str) -> bool {
        self.configs.get(category).is_some_and(|config| config.own)
    }

    /// The plan in a folder; none if there is none.
    ///
    /// # Errors
    /// A file that cannot be read or is not a plan; a config in it that is not valid.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(PLAN_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let plan: Self = read_json(&path)?;
        for (category, own) in &plan.configs {
            Config::parse(&own.config).map_err(|error| error.within(format!("the config of {category}")).in_file(&path))?;
        }
        Ok(Some(plan))
    }

    /// Writes the plan into a folder.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join(PLAN_FILE), self)
    }

    /// Everything in which two plans differ although their runs can only be reported together if they agree, with these names of
    /// the plans.
    ///
    /// # Errors
    /// A config that is not valid.
    pub fn differences(&self, other: &Self, names: [&str; 2]) -> Result<Vec<String>> {
        let fields = |plan: &Self| {
            let Origin { version, commit, device, precision, base_config_hash } = plan.origin.clone();
            let budget = plan.budget_minutes.map_or("none".to_owned(), |minutes| format!("{minutes} minutes"));
            [("version", version), ("commit", commit), ("device", device), ("precision", precision), ("budget", budget)]
                .into_iter()
                .chain([("base config hash", base_config_hash)])
                .collect::<Vec<_>>()
        };
        let [first, second] = names;
        let phrase = |((name, own), (_, other)): ((&str, String), (&str, String))| {
            (own != other).then(|| format!("{name} is {own} {first} and {other} {second}"))
        };
        let mut found: Vec<String> = fields(self).into_iter().zip(fields(other)).filter_map(phrase).collect();
        for (category, own) in &self.configs {
            let Some(theirs) = other.configs.get(category) else { continue };
            // Plans of earlier versions do not have it.
            if own.images != theirs.images && !own.images.is_empty() && !theirs.images.is_empty() {
                found.push(format!("the images of {category} differ"));
            }
            let keys = Config::parse(&own.config)?.differences(&Config::parse(&theirs.config)?, names)?;
            found.extend(keys.into_iter().filter(|key| !found.contains(key)).collect::<Vec<_>>());
        }
        Ok(found)
    }

    /// Checks that this plan continues that of an earlier process in `folder`. It may have more runs.
    ///
    /// # Errors
    /// Other images, another config, version or device, with everything that differs; runs that this plan lacks.
    pub fn check_continues(&self, earlier: &Self, folder: &Path) -> Result<()> {
        let differences = earlier.differences(self, ["there", "now"])?;
        if !differences.is_empty() {
            let reason = format!("holds runs of another plan: {}; choose another folder", differences.join("; "));
            return Err(Error::file(folder, reason));
        }
        if earlier.shard != self.shard {
            let words = |shard: Option<Shard>, all: &str| shard.map_or_else(|| all.to_owned(), |shard| format!("shard {shard}"));
            let (there, now) = (words(earlier.shard, "all"), words(self.shard, "all of it"));
            return Err(Error::file(
                folder,
                format!("holds {there} of the plan, and now {now} is wanted; choose another folder"),
            ));
        }
        let own = self.own_runs();
        let lacking: Vec<String> = earlier.own_runs().iter().filter(|run| !own.contains(run)).map(name).collect();
        match lacking.is_empty() {
            true => Ok(()),
            false => Err(Error::file(folder, format!("holds runs that this plan lacks: {}", lacking.join(", ")))),
        }
    }
}

/// A run in a sentence.
pub(super) fn name(run: &PlannedRun) -> String {
    format!("{} seed {}", run.category, run.seed)
}

/// A duration as the plan states it.
pub(super) fn minutes(budget: Duration) -> f64 {
    budget.as_secs_f64() / 60.0
}

/// The folders of `root` that hold training images, and those that do not, sorted.
///
/// # Errors
/// `root` is no folder or cannot be listed; the name of a category is not Unicode.
pub fn categories(root: &Path) -> Result<(Vec<String>, Vec<String>)> {
    if !root.is_dir() {
        return Err(Error::file(root, format!("there is no such folder{}", hint(root))));
    }
    let refuse = |error| Error::io(root, "cannot be listed", error);
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(root).map_err(refuse)? {
        let path = entry.map_err(refuse)?.path();
        let name = path.file_name().unwrap_or_default();
        if !path.is_dir() || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let name = name.to_str().ok_or_else(|| Error::file(&path, "the name of a category must be Unicode"))?;
        if path.join("train/good").is_dir() { found.push(name.to_owned()) } else { others.push(name.to_owned()) }
    }
    found.sort();
    others.sort();
    Ok((found, others))
}

/// The categories that are asked for, sorted and each once; all if none is named.
fn chosen(root: &Path, named: &[String]) -> Result<Vec<String>> {
    let (found, _) = categories(root)?;
    if found.is_empty() {
        let hint = match root.join("train/good").is_dir() {
            true => "is itself a category; --data needs the folder above it",
            false => "has no category: no folder in it has train/good",
        };
        return Err(Error::file(root, hint));
    }
    if let Some(unknown) = named.iter().find(|name| !found.contains(name)) {
        return Err(Error::file(root, format!("has no category `{unknown}`; there are {}", found.join(", "))));
    }
    Ok(found.into_iter().filter(|name| named.is_empty() || named.contains(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(categories: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in categories {
            std::fs::create_dir_all(folder.path().join(name).join("train/good")).unwrap();
        }
        folder
    }

    fn request(root: &tempfile::TempDir) -> Request {
        Request { data: root.path().to_owned(), seeds: 2, ..Request::default() }
    }

    fn plan(request: &Request) -> Plan {
        Plan::new(request, "cpu".into(), "f32").unwrap()
    }

    #[test]
    fn a_plan_with_a_config_that_is_not_valid_is_refused_with_its_place() {
        let root = root(&["bottle"]);
        let mut found = plan(&request(&root));
        found.write(root.path()).unwrap();
        assert_eq!(Plan::read(root.path()).unwrap().as_ref(), Some(&found));
        found.configs.get_mut("bottle").unwrap().config = "seed = -1".to_owned();
        found.write(root.path()).unwrap();
        let error = Plan::read(root.path()).unwrap_err().to_string();
        assert!(
            error.contains("plan.json: ") && error.contains("seed") && error.ends_with(" in the config of bottle"),
            "{error}"
        );
    }

    #[test]
    fn the_first_seed_of_all_categories_comes_first() {
        let root = root(&["bottle", "own"]);
        std::fs::create_dir(root.path().join("readme")).unwrap();
        let found = plan(&request(&root));
        let runs: Vec<_> = found.runs.iter().map(|run| (run.category.as_str(), run.seed)).collect();
        assert_eq!(runs, [("bottle", 0), ("own", 0), ("bottle", 1), ("own", 1)]);
        assert_eq!(["bottle", "own"].map(|name| found.has_own_config(name)), [true, false]);
        assert_eq!(found.config(&found.runs[2]).unwrap().seed, 1);
        assert_eq!(categories(root.path()).unwrap().1, ["readme"]);
        let part = plan(&Request { shard: Some("2/3".parse().unwrap()), ..request(&root) });
        assert_eq!(part.own_runs(), found.runs[1..2]);
    }

    #[test]
    fn unknown_categories_and_folders_are_named() {
        let root = root(&["a", "b"]);
        let error = |request: &Request| Plan::new(request, "cpu".into(), "f32").unwrap_err().to_string();
        let named = |name: &str| Request { categories: vec![name.into()], ..request(&root) };
        assert!(error(&named("c")).ends_with("has no category `c`; there are a, b"));
        assert_eq!(plan(&named("b")).runs.len(), 2);
        let at = |path: PathBuf| error(&Request { data: path, ..request(&root) });
        assert!(at(root.path().join("a")).ends_with("is itself a category; --data needs the folder above it"));
        assert!(at(root.path().join("a/train/good")).ends_with("has no category: no folder in it has train/good"));
        assert!(at(root.path().join("none")).ends_with("there is no such folder"));
    }

    #[test]
    fn a_plan_survives_its_file_and_may_be_continued_with_more_runs_only() {
        let root = root(&["bottle", "own"]);
        let folder = tempfile::tempdir().unwrap();
        assert!(Plan::read(folder.path()).unwrap().is_none());
        let first = plan(&request(&root));
        first.write(folder.path()).unwrap();
        let earlier = Plan::read(folder.path()).unwrap().unwrap();
        assert_eq!(earlier, first);
        plan(&Request { seeds: 3, ..request(&root) }).check_continues(&earlier, folder.path()).unwrap();
        let refused = |request: &Request| plan(request).check_continues(&earlier, folder.path()).unwrap_err().to_string();
        let text = refused(&Request { seeds: 1, ..request(&root) });
        assert!(text.ends_with("holds runs that this plan lacks: bottle seed 1, own seed 1"), "{text}");
        let text = refused(&Request { steps: Some(9), ..request(&root) });
        assert!(
            text.contains("base config hash is ") && text.contains(&format!("train.steps is {} there and 9 now", first.steps)),
            "{text}"
        );
        assert_eq!(text.matches("train.steps").count(), 1, "named once, not for each category: {text}");
    }

    #[test]
    fn every_field_that_shards_must_share_is_compared() {
        let root = root(&["own"]);
        let own = plan(&request(&root));
        let mut other = own.clone();
        other.origin = Origin {
            version: "9".into(),
            commit: "c".into(),
            device: "d".into(),
            precision: "bf16".into(),
            base_config_hash: "h".into(),
        };
        other.budget_minutes = Some(2.5);
        other.configs.get_mut("own").unwrap().images = "i".into();
        let text = own.differences(&other, ["in a", "in b"]).unwrap().join("; ");
        for field in ["version", "commit", "device", "precision", "base config hash", "budget"] {
            assert!(text.contains(&format!("{field} is ")), "{field}: {text}");
        }
        assert!(text.contains("budget is none in a and 2.5 minutes in b"), "{text}");
        assert!(text.contains("the images of own differ"), "{text}");
        assert!(own.differences(&own, ["in a", "in b"]).unwrap().is_empty());
    }
}
