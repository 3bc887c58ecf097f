//! The RabbitMQ source against a real broker. Where none is installed every case is skipped, and
//! counted as ignored.

#![allow(clippy::unwrap_used)]

mod broker;
mod chain;
mod faults;
mod flow;
mod log;
mod messages;
mod node;
mod poison;
mod pressure;
mod privacy;
mod topology;

use broker::Broker;
use libtest_mimic::{Arguments, Trial};
use peruri_test_utils::{RabbitMq, RabbitMqError};
use std::{future::Future, sync::Arc};
use tokio::runtime::Runtime;

/// A case with the broker that all share, each with a queue of its own.
fn case<F>(
    runtime: &Arc<Runtime>,
    broker: &Option<Broker>,
    name: &'static str,
    run: impl FnOnce(Broker) -> F + Send + 'static,
) -> Trial
where
    F: Future<Output = ()> + Send,
{
    let (runtime, skipped, broker) = (runtime.clone(), broker.is_none(), broker.clone());
    let trial = Trial::test(name, move || {
        let broker = broker.ok_or("no broker")?;
        runtime.block_on(run(broker.with_queue(name)));
        Ok(())
    });
    trial.with_ignored_flag(skipped)
}

fn main() {
    let mut arguments = Arguments::from_args();
    log::capture();
    // Nothing runs for a list.
    let server = match (!arguments.list).then(RabbitMq::start).transpose() {
        Ok(server) => server,
        Err(error @ RabbitMqError::NotInstalled(_)) => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    };
    // `--include-ignored` would run what cannot run.
    arguments.include_ignored &= server.is_some();
    arguments.ignored &= server.is_some();
    let runtime = Arc::new(Runtime::new().unwrap());
    let broker = server.as_ref().map(|server| Broker::at(server.url()));
    macro_rules! cases {
        ($($module:ident::$name:ident),* $(,)?) => {
            vec![$(case(&runtime, &broker, stringify!($name), $module::$name)),*]
        };
    }
    let cases = cases![
        topology::everything_is_declared,
        topology::what_exists_otherwise_is_told,
        flow::activities_go_from_the_queue_to_the_chain,
        flow::what_was_not_acknowledged_before_a_crash_is_recognised,
        flow::each_is_taken_once_however_often_it_comes,
        poison::each_kind_is_dead_at_once_and_delays_nobody,
        poison::dead_letters_come_back_without_a_second_effect,
        pressure::at_the_mark_nothing_is_delivered_and_all_is_drained_afterwards,
        pressure::a_stop_returns_what_is_not_acknowledged,
        faults::a_killed_broker_loses_nothing,
        faults::a_broker_that_is_not_there_yet_is_waited_for,
        privacy::nothing_personal_is_stored_or_logged,
    ];
    let conclusion = libtest_mimic::run(&arguments, cases);
    drop(server);
    conclusion.exit();
}
