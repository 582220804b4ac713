//! A worker of the published Rust SDK: the functions that every language of these tests has, under the same names.
//!
//! Without arguments it serves its group until it is killed. `worker rpc ID FUNC ARGS…` and `worker run ID FUNC ARGS…`
//! (arguments as JSON; `run` knows `hello` alone) call one function, print its result as JSON after `result `, and end.
//! It must never know what language calls it.

use resonate_sdk::prelude::*;
use serde_json::Value;
use std::{env, future::pending, time::Duration};

/// The only argument of a call, as every other SDK sends it: a list of one. A plain parameter would be the bare value.
type One<T> = (T,);

fn setting(name: &str, otherwise: &str) -> String {
    env::var(name).unwrap_or_else(|_| otherwise.into())
}

fn group() -> String {
    setting("GROUP", "rust")
}

#[resonate_sdk::function]
async fn hello(args: One<String>) -> Result<String> {
    Ok(format!("hello {}, from rust", args.0))
}

#[resonate_sdk::function]
async fn echo(args: One<Value>) -> Result<Value> {
    Ok(args.0)
}

#[resonate_sdk::function]
async fn square(args: One<i64>) -> Result<i64> {
    Ok(args.0 * args.0)
}

#[resonate_sdk::function]
async fn fan_out(ctx: &Context, args: One<i64>) -> Result<i64> {
    let mut calls = Vec::new();
    for i in 0..args.0 {
        calls.push(ctx.rpc::<i64>("square", (i,)).target(&group()).spawn()?);
    }
    let mut sum = 0;
    for call in calls {
        sum += call.await?;
    }
    Ok(sum)
}

#[resonate_sdk::function]
async fn nap(ctx: &Context, args: One<u64>) -> Result<String> {
    ctx.sleep(Duration::from_millis(args.0)).await?;
    Ok("rested".into())
}

#[resonate_sdk::function]
async fn approval(ctx: &Context, _args: Vec<Value>) -> Result<Value> {
    let promise = ctx.promise::<Value>().create()?;
    println!("waiting {}", promise.id().await?);
    promise.await
}

#[resonate_sdk::function]
async fn step(name: String) -> Result<String> {
    println!("step {name}");
    if setting("HANG", "") == name {
        pending::<()>().await;
    }
    Ok(name)
}

#[resonate_sdk::function]
async fn journey(ctx: &Context, _args: Vec<Value>) -> Result<String> {
    let mut names = Vec::new();
    for name in ["first", "second", "third"] {
        names.push(ctx.run(step, name.into()).await?);
    }
    Ok(names.join(" "))
}

#[resonate_sdk::function]
async fn ask(ctx: &Context, group: String, func: String, arg: Value) -> Result<Value> {
    ctx.rpc::<Value>(&func, (arg,)).target(&group).await
}

#[resonate_sdk::function]
async fn leave(ctx: &Context, group: String, name: String) -> Result<String> {
    ctx.detached("hello", (name,))
        .target(&group)
        .spawn()?
        .id()
        .await
}

#[resonate_sdk::function]
async fn misfortune(ctx: &Context, args: One<String>) -> Result<()> {
    ctx.run(fail, args.0).await
}

#[resonate_sdk::function]
async fn fail(why: String) -> Result<()> {
    Err(Error::Application { message: why })
}

fn register(resonate: &Resonate) -> Result<()> {
    resonate.register(hello)?;
    resonate.register(echo)?;
    resonate.register(square)?;
    resonate.register(fan_out)?;
    resonate.register(nap)?;
    resonate.register(approval)?;
    resonate.register(journey)?;
    resonate.register(ask)?;
    resonate.register(leave)?;
    resonate.register(misfortune)
}

async fn call(
    resonate: &Resonate,
    mode: &str,
    id: &str,
    func: &str,
    args: Vec<Value>,
) -> Result<Value> {
    if mode == "run" {
        let name = args[0].as_str().unwrap_or_default().to_string();
        return resonate.run(id, hello, (name,)).await.map(Value::from);
    }
    resonate
        .rpc::<_, Value>(id, func, args)
        .target(&group())
        .await
}

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    // A caller has a group of its own, so that nobody hands it the work of the group that it calls.
    let own = if args.is_empty() {
        group()
    } else {
        group() + ".callers"
    };
    let resonate = Resonate::new(ResonateConfig {
        url: Some(setting("RESONATE_URL", "http://localhost:8001")),
        group: Some(own),
        ttl: setting("TTL", "60000").parse().ok(),
        token: env::var("RESONATE_TOKEN").ok(),
        ..Default::default()
    });
    register(&resonate)?;
    let [mode, id, func, values @ ..] = args.as_slice() else {
        println!("ready");
        return pending().await;
    };
    let values = values
        .iter()
        .map(|value| serde_json::from_str(value))
        .collect::<std::result::Result<_, _>>()?;
    let result = call(&resonate, mode, id, func, values).await;
    resonate.stop().await?;
    println!("result {}", result?);
    Ok(())
}
