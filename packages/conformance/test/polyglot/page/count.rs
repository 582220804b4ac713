use resonate_sdk::prelude::*;

// Other SDKs send a list of arguments. Where it is a list of one, the parameter is a tuple of one.
#[resonate_sdk::function]
async fn count(args: (String,)) -> Result<usize> {
    Ok(args.0.split_whitespace().count())
}

#[tokio::main]
async fn main() -> Result<()> {
    // Of the server at RESONATE_URL.
    let resonate = Resonate::new(ResonateConfig {
        group: Some("rust".into()),
        ..Default::default()
    });
    resonate.register(count)?;
    std::future::pending().await // until the process is ended
}
