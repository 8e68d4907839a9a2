//! A report of two generated categories, and the same results straight from the detectors.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ndarray::Array2;
use orthoscope::backend::Cpu;
use orthoscope::data::{Category, Family, GenerateOptions, generate, read_image, write_bytes};
use orthoscope::detect::metrics::{is_anomalous, resize_nearest};
use orthoscope::detect::{Confusion, Detector, Resolution};
use orthoscope::report::reproduction::file;
use orthoscope::report::reproduction::gallery::{Counts, GALLERY_FILE, record};
use orthoscope::run::ImageCounts;
use orthoscope::run::reproduction::{GALLERY_FOLDER, Origin, Report, RunReport, Values, Verdicts, run_folder};
use orthoscope::run::{Config, evaluate_detector};
use orthoscope::train::{Batches, Trainer};
use serde_json::Value;
use tempfile::TempDir;

const CONFIG: &str = "model.width = 4\nmodel.dilations = [1, 2]\ndata.size = 48\ndetection.window = 3\ndetection.image_quantile = 0.5\n\
    train = { steps = 20, batch = 2, learning_rate = 0.005, warmup_steps = 2 }";

pub struct Sample {
    /// Kept, because it is deleted when dropped.
    folder: TempDir,
    pub runs: Vec<Run>,
}

/// A run with the results that its gallery must agree with.
pub struct Run {
    pub category: String,
    pub counts: Counts,
    pub image_threshold: f64,
    pub pixel_threshold: f64,
    pub images: Vec<Examined>,
    report: RunReport,
}

pub struct Examined {
    pub name: String,
    pub kind: String,
    pub anomalous: bool,
    pub score: f64,
    pub heatmap: Array2<f32>,
    pub truth: Array2<bool>,
}

/// Made once for all tests.
pub fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let runs: Vec<Run> = [Family::Cloth, Family::Tiles].map(|family| Run::new(&folder, family)).into();
        let sample = Sample { folder, runs };
        write_page(&sample.report(), &sample.out());
        sample
    })
}

/// Writes the page of a report into its folder.
pub fn write_page(report: &Report, out: &Path) {
    let (path, bytes) = file(report, out).unwrap();
    write_bytes(&path, &bytes).unwrap();
}

impl Sample {
    pub fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub fn report(&self) -> Report {
        let origin = Origin {
            version: "0.1.0".into(),
            commit: "unknown".into(),
            device: "cpu".into(),
            precision: "f32".into(),
            base_config_hash: "0".into(),
        };
        Report::new(origin, &[], self.runs.iter().map(|run| run.report.clone()).collect())
    }

    /// The text of the script of a run.
    pub fn script(&self, run: &Run) -> String {
        let path = run_folder(&self.out(), &run.category, 0).join(GALLERY_FOLDER).join(GALLERY_FILE);
        std::fs::read_to_string(path).unwrap()
    }

    /// What the script of a run hands over.
    pub fn gallery(&self, run: &Run) -> Value {
        let script = self.script(run);
        let json = script.strip_prefix("orthoscopeGallery(").unwrap().strip_suffix(");\n").unwrap();
        serde_json::from_str(json).unwrap()
    }
}

impl Run {
    fn new(folder: &TempDir, family: Family) -> Self {
        let options = GenerateOptions { family, size: 48, train: 10, good: 5, defects_per_kind: 2, seed: 3 };
        let category = Category::open(&generate(folder.path(), &options).unwrap()).unwrap();
        let detector = detector(&category);
        let counts = record(&detector, &category, &run_folder(&folder.path().join("out"), &category.name, 0)).unwrap();
        let thresholds = detector.settings().thresholds.unwrap();
        let images = examined(&detector, &category);
        Self {
            report: report(&detector, &category, counts),
            category: category.name,
            counts,
            image_threshold: thresholds.image,
            pixel_threshold: thresholds.pixel,
            images,
        }
    }

    /// Images whose score exceeds a threshold.
    pub fn images_at(&self, threshold: f64) -> Confusion {
        Confusion::of(self.images.iter().map(|image| (image.anomalous, image.score > threshold)))
    }

    /// Pixels of all images whose value exceeds a threshold.
    pub fn pixels_at(&self, threshold: f64) -> Confusion {
        let verdict = |(&truth, &value): (&bool, &f32)| (truth, f64::from(value) > threshold);
        Confusion::of(self.images.iter().flat_map(|image| image.truth.iter().zip(&image.heatmap).map(verdict)))
    }

    /// Positions of the slider for the image threshold: a value below all scores, the scores, and the threshold of the model.
    pub fn stops(&self) -> Vec<f64> {
        let mut stops: Vec<f64> = self.images.iter().map(|image| image.score).chain([0.0, self.image_threshold]).collect();
        stops.sort_by(f64::total_cmp);
        stops.dedup();
        stops
    }
}

fn detector(category: &Category) -> Detector<Cpu> {
    let config = Config::parse(CONFIG).unwrap();
    let normal: Vec<_> = category.train.iter().map(|path| read_image(path).unwrap()).collect();
    let (set, held_out) = config.training_set(&normal).unwrap();
    let backend = Cpu::default();
    let mut trainer = Trainer::new(&backend, config.recipe()).unwrap();
    let mut batches = Batches::new(&backend, set, config.train.batch, config.train.steps).unwrap();
    while trainer.step() < config.train.steps {
        trainer.advance(&mut batches).unwrap();
    }
    config.detector(&trainer, &held_out).unwrap()
}

fn examined(detector: &Detector<Cpu>, category: &Category) -> Vec<Examined> {
    let examine = |test: &orthoscope::data::TestImage| {
        let (image, mask) = test.read(0.0).unwrap();
        let found = detector.inspect(&image).unwrap();
        let (height, width) = found.heatmap.dim();
        Examined {
            name: format!("{}/{}", test.defect, test.path.file_name().unwrap().to_str().unwrap()),
            kind: test.defect.clone(),
            anomalous: !test.is_good(),
            score: found.scores.get(detector.settings().detection.score),
            truth: resize_nearest(&mask, height, width).unwrap().mapv(is_anomalous),
            heatmap: found.heatmap,
        }
    };
    category.test.iter().map(examine).collect()
}

fn report(detector: &Detector<Cpu>, category: &Category, counts: Counts) -> RunReport {
    let found = evaluate_detector(detector, category, Resolution::Native, || ()).unwrap();
    let values = serde_json::to_value(&found.metrics).unwrap();
    let metrics: Values =
        values.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.as_f64().unwrap())).collect();
    let images = counts.images.unwrap();
    let good = category.test.iter().filter(|test| test.is_good()).count();
    RunReport {
        category: category.name.clone(),
        seed: 0,
        config_hash: "f2822389b9c0".into(),
        own_config: false,
        steps: 20,
        batch: 2,
        protocol: format!("{}; heatmap of <chroma> (not in the paper)", found.protocol),
        images: ImageCounts { train: 9, held_out: 1, good, anomalous: category.test.len() - good, ..ImageCounts::default() },
        thresholds: detector.settings().thresholds.unwrap(),
        verdicts: Some(Verdicts { found: images.true_positives as usize, false_alarms: images.false_positives as usize }),
        image_threshold: found.image_threshold,
        image_auroc_by_kind: found.image_auroc_by_kind,
        validation: None,
        notes: vec!["one <note>".into()],
        metrics,
    }
}
