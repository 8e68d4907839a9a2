use std::path::Path;

use orthoscope::run::{Config, DEFAULT_CONFIG};

use super::{Loader, Read, Verdict, ensure, must, of_file, refused};
use crate::fixture::CONFIG;
use crate::fuzz::campaign::run;

fn corpus() -> Vec<Vec<u8>> {
    let own = Config::parse(CONFIG).unwrap().to_toml().unwrap();
    [CONFIG, DEFAULT_CONFIG, &own, "", "# nothing\nseed = 3\n"].map(|text| text.as_bytes().to_vec()).into()
}

fn check(path: &Path) -> Verdict {
    let layers = [path.to_owned(), path.to_owned()];
    let config = match Config::read(path) {
        Ok(config) => config,
        Err(error) => {
            ensure(Config::read_layers(&layers, None).is_err(), "refused alone and accepted twice")?;
            return refused(&error);
        }
    };
    let text = must("writing", config.to_toml())?;
    ensure(must("reading", Config::parse(&text))? == config, "not the same when it is written and read again")?;
    ensure(must("reading twice", Config::read_layers(&layers, None))? == config, "another config over itself")?;
    must("the hash", config.hash())?;
    Ok(Read::Accepted)
}

#[test]
fn config() {
    run(&Loader { name: "config", file: "c.toml", corpus: corpus(), memory: of_file, check: Box::new(check) });
}
