use std::path::PathBuf;

use crate::data::{Dataset, Folders};

/// Normal images to train on.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct TrainingFolder {
    /// Category folder with train/good/
    #[arg(long, value_name = "ROOT/CATEGORY")]
    data: Option<PathBuf>,
    /// In place of --data: any folder of normal images, searched recursively
    #[arg(long, value_name = "DIR")]
    normal: Option<PathBuf>,
}

impl TrainingFolder {
    /// Where the images lie.
    pub fn dataset(&self) -> Dataset {
        dataset(self.data.as_ref(), Folders { normal: self.normal.clone(), ..Folders::default() })
    }
}

/// The images of a test set.
#[derive(clap::Args)]
pub struct TestFolders {
    /// Category folder with test/ and ground_truth/
    #[arg(long, value_name = "ROOT/CATEGORY", required_unless_present_any = ["normal", "abnormal", "masks"])]
    data: Option<PathBuf>,
    #[command(flatten)]
    folders: FreeFolders,
}

impl TestFolders {
    /// Where the images lie.
    pub fn dataset(&self) -> Dataset {
        dataset(self.data.as_ref(), self.folders.folders())
    }
}

/// The images of a test set, in folders of any structure.
#[derive(clap::Args)]
pub struct FreeFolders {
    /// In place of --data: any folder of good test images, searched recursively
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    normal: Option<PathBuf>,
    /// In place of --data: any folder of anomalous test images, searched recursively; its subfolders are the kinds of defects
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    abnormal: Option<PathBuf>,
    /// Folder of the masks of these, with the same subfolders: NAME.png, NAME_mask.png, NAME_1.png, NAME_2.png or NAME/*.png are
    /// masks of NAME; several are united
    #[arg(long, value_name = "DIR", requires = "abnormal", conflicts_with = "data")]
    masks: Option<PathBuf>,
}

impl FreeFolders {
    /// The folders that are given.
    pub fn folders(&self) -> Folders {
        Folders { normal: self.normal.clone(), abnormal: self.abnormal.clone(), masks: self.masks.clone() }
    }
}

/// The category if there is one, else the folders.
pub fn dataset(category: Option<&PathBuf>, folders: Folders) -> Dataset {
    category.map_or(Dataset::Folders(folders), Dataset::from)
}
