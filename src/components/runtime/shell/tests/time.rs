//! Time: how long things take, and how many turns.

use super::super::Dialect::{Bash, BusyBox};
use super::super::{Setup, Shell, State};
use super::harness::Container;
use crate::engine::{SimDuration, SimTime};

#[test]
fn commands_take_as_long_as_they_say() {
    for (script, millis) in [
        ("sleep 30", 30_000),
        ("sleep 0.5", 500),
        ("sleep 1.5m", 90_000),
        ("sleep 1 2", 3_000),
        ("usleep 2500", 2),
        ("sleep 1; sleep 2", 3_000),
        ("sleep 3 & sleep 1; wait", 3_000),
        ("sleep 3 | sleep 1", 3_000),
        ("x=$(sleep 2; echo a)", 2_000),
        ("for i in 1 2 3; do sleep 1; done", 3_000),
        ("timeout 2 sleep 10", 2_000),
        ("(sleep 1; sleep 1) & sleep 0.5; wait", 2_000),
        ("echo a | (sleep 1; cat) | (cat; sleep 1)", 2_000),
        ("while read x; do sleep 1; done < /dev/null", 0),
        ("seq 3 | while read x; do sleep 1; done", 3_000),
    ] {
        let mut container = Container::new(&["bash", "-c", script], Bash);
        container.run();
        assert!(container.exit_code().is_some(), "{script}");
        let late = container.now.since(SimTime::from_millis(millis));
        assert!(
            container.now >= SimTime::from_millis(millis) && late <= SimDuration::from_millis(12),
            "{script} {late}"
        );
    }
}

#[test]
fn waiting_takes_few_turns() {
    for (script, turns) in [
        ("sleep 3000", 3),
        ("touch /tmp/healthy; sleep 30; rm -f /tmp/healthy; sleep 600", 5),
        ("i=0; while [ $i -lt 100 ]; do echo $(date) >> /log; i=$((i+1)); sleep 1; done", 220),
        ("for i in $(seq 1 1000); do echo $i; done", 8),
        ("tail -f /dev/null", 2),
        ("sleep infinity", 2),
    ] {
        let mut container = Container::new(&["sh", "-c", script], BusyBox);
        container.run();
        assert!(container.turns <= turns, "{script}: {} turns", container.turns);
    }
}

#[test]
fn nothing_waits_for_ever_in_vain() {
    for script in
        ["tail -f /dev/null", "sleep infinity", "sleep inf", "while true; do sleep inf; done", "cat | sleep inf"]
    {
        let mut container = Container::new(&["sh", "-c", script], BusyBox);
        container.run();
        assert_eq!(container.state, State::Waiting { until: None }, "{script}");
    }
}

#[test]
fn a_loop_that_never_waits_does_not_hang() {
    for script in [
        "while :; do :; done",
        "while true; do x=$((x+1)); done",
        "until false; do true; done",
        "f() { while :; do return; done; }; while :; do f; done",
        "while :; do echo a; done > /dev/null",
        "while :; do date; done > /dev/null",
        "while :; do (exit 1); done",
        "while :; do x=$(echo a); done",
        "while :; do echo a | cat; done > /dev/null",
        "yes > /dev/null",
        "yes | cat > /dev/null",
        "while [ ! -f /never ]; do :; done",
        "trap ':' TERM; while :; do kill -TERM $$; done",
        "while :; do sleep 0; done",
        "cat /dev/zero > /dev/null",
        "dd if=/dev/zero of=/dev/null",
        ": | while :; do :; done",
        "while :; do true & wait; done",
        "while :; do true & done",
        "x=a; while :; do x=$x; done",
    ] {
        let mut container = Container::new(&["sh", "-c", script], BusyBox);
        container.run_until(SimTime::from_secs(2));
        assert!(container.exit_code().is_none(), "{script} {:?}", container.state);
        assert!(container.turns < 2_500, "{script}: {} turns", container.turns);
    }
    let mut container = Container::new(&["sh", "-c", "while [ ! -f /go ]; do :; done; echo seen"], BusyBox);
    container.run_until(SimTime::from_secs(600));
    container.now = SimTime::from_secs(600);
    let Container { files, volumes, now, .. } = &mut container;
    files.view(volumes, *now).touch("/go").unwrap();
    container.run_until(SimTime::from_secs(1200));
    assert_eq!((container.output.as_str(), container.exit_code()), ("seen\n", Some(0)));
}

#[test]
fn a_shell_costs_little_and_forks() {
    let mut container = Container::new(&["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 1; done"], BusyBox);
    container.run_until(SimTime::from_millis(2_500));
    let mut fork = container.clone();
    fork.run_until(SimTime::from_millis(4_500));
    container.run_until(SimTime::from_millis(3_500));
    assert_eq!((container.output.as_str(), fork.output.as_str()), ("1\n2\n3\n4\n", "1\n2\n3\n4\n5\n"));
    container.run_until(SimTime::from_millis(4_500));
    assert_eq!(container.output, fork.output);
    assert_eq!(format!("{:?}", container.shell), format!("{:?}", fork.shell));
}

#[test]
fn the_log_is_kept_short_but_counted() {
    let script = "while :; do head -c 100000 /dev/zero; sleep 1; done >> /log";
    let mut container = Container::new(&["sh", "-c", script], BusyBox);
    container.run_until(SimTime::from_millis(9_500));
    let Container { files, volumes, now, .. } = &mut container;
    let view = files.view(volumes, *now);
    assert_eq!(view.metadata("/log").unwrap().length, 1_000_000);
    assert!(view.read("/log").unwrap().bytes.len() <= 200_000);
    let _ = Shell::new(super::super::Command::default(), Setup::default());
}

#[test]
fn what_grows_without_end_is_stopped() {
    for (script, ends) in [
        ("x=a; while :; do x=$x$x; done", true),
        ("set -- a b; while :; do set -- \"$@\" \"$@\"; done", false),
        (":() { : | : & }; while :; do sleep 100 & done", false),
        ("a() { a | a; }; a", false),
        ("x=$(yes)", false),
        ("yes > /f", false),
        ("f() { f & f; }; f", false),
        ("echo {1..9}{1..9}{1..9}{1..9}{1..9}{1..9}{1..9}{1..9}{1..9}", true),
        ("mkdir -p /d; while :; do cp -r /d /e; mv /e /d/x$((i=i+1)); done", false),
    ] {
        let mut container = Container::new(&["bash", "-c", script], Bash);
        container.run_until(SimTime::from_secs(30));
        assert_eq!(container.exit_code().is_some(), ends, "{script} {:?}", container.state);
    }
}
