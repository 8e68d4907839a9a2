use orthoscope::backend::Cpu;
use orthoscope::run::{COMMIT, Config};

use super::output::{print, say};

/// Arguments of `doctor`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Print JSON instead of lines
    #[arg(long)]
    json: bool,
    /// Print the default config as TOML, to start a config file from
    #[arg(long, conflicts_with = "json")]
    config: bool,
}

/// Shows what this machine offers.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.config {
        return print(Config::default().to_toml()?);
    }
    let facts = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": COMMIT,
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "threads": rayon::current_num_threads(),
        "simd": format!("{:?}", Cpu::default().path()).to_lowercase(),
        "backends": ["cpu", "reference"],
        "cuda": "not in this version",
    });
    if arguments.json {
        return say(serde_json::to_string_pretty(&facts)?);
    }
    for (name, value) in facts.as_object().into_iter().flatten() {
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(items) => items.iter().filter_map(|item| item.as_str()).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        say(format_args!("{name:<10}{text}"))?;
    }
    Ok(())
}
