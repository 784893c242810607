//! A hostile guest is held: it sees one machine without a network, without rights, and with nothing to write to.

use brizo::container::SECOND;
use brizo_receipt::Status;

use super::{engine_or_skip, order, run, text};

/// What must fail, by name; a script prints `open NAME` for each that does not.
const PROBES: [(&str, &str); 24] = [
    ("root", "echo x > /x"),
    ("etc", "echo x > /etc/passwd"),
    ("binaries", "echo x > /bin/busybox"),
    ("inputs", "echo x > /data/inputs/x"),
    ("inputs-file", "echo x >> /data/inputs/penguins.csv"),
    ("algorithm", "echo x > /data/algorithm/x"),
    ("mount", "mount -t tmpfs none /tmp"),
    ("remount", "mount -o remount,rw /"),
    ("proc-mount", "mount -t proc proc /tmp"),
    ("sysrq", "echo h > /proc/sysrq-trigger"),
    ("sysctl", "echo 1 > /proc/sys/vm/drop_caches"),
    ("core-pattern", "echo '|/x' > /proc/sys/kernel/core_pattern"),
    ("kcore", "head -c 1 /proc/kcore | busybox grep -q ."),
    ("kernel-log", "busybox dmesg"),
    ("device", "mknod /tmp/null c 1 3"),
    ("disk", "ls /dev/vda /dev/sda /dev/nvme0n1 2>/dev/null | busybox grep -q dev"),
    ("memory-device", "head -c 1 /dev/mem"),
    ("docker-socket", "busybox find / -xdev -name '*.sock' 2>/dev/null | busybox grep -q sock"),
    ("chroot", "busybox chroot / true"),
    ("root-user", "su -c true root"),
    ("user-namespace", "busybox unshare -r true"),
    ("mount-namespace", "busybox unshare -m true"),
    ("cgroup", "echo 0 > /sys/fs/cgroup/memory/memory.limit_in_bytes"),
    ("neighbours", "kill -0 2"),
];

#[tokio::test]
async fn nothing_leads_out() {
    let engine = engine_or_skip!();
    let probes: Vec<_> = PROBES
        .iter()
        .map(|(name, probe)| format!("if ({probe}) 2>/dev/null; then echo open {name}; fi"))
        .collect();
    let (ending, outputs) = run(engine, &order(&format!("{}; echo done", probes.join("\n")))).await;
    assert_eq!((ending.status, ending.exit_code), (Status::Exit, 0), "{}", text(&outputs.stderr));
    assert_eq!(text(&outputs.stdout), "done\n");
}

#[tokio::test]
async fn the_kernel_says_that_it_has_no_rights() {
    let engine = engine_or_skip!();
    let (_, outputs) = run(engine, &order("cat /proc/self/status; ls /sys/class/net; id")).await;
    let said = text(&outputs.stdout);
    for line in [
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapInh:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "uid=65534 gid=65534",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(said.contains("\nlo\n"), "{said}");
    assert!(!said.contains("eth0"), "{said}");
}

#[tokio::test]
async fn there_is_no_network() {
    let engine = engine_or_skip!();
    // A server that the host really has, on every address of the host that is not the guest's own loopback.
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let addresses = text(&std::process::Command::new("hostname").arg("-I").output().unwrap().stdout);
    let addresses: Vec<_> =
        addresses.split_whitespace().filter(|it| it.contains('.')).chain(["127.0.0.1"]).collect();
    let tries: Vec<_> = addresses
        .iter()
        .map(|address| format!("wget -T 2 -q -O - http://{address}:{port}/ && echo reached {address}"))
        .collect();
    listener.set_nonblocking(true).unwrap();
    let (_, outputs) = run(engine, &order(&format!("{}; echo done", tries.join("; ")))).await;
    assert_eq!(text(&outputs.stdout), "done\n");
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody came");
}

#[tokio::test]
async fn a_fork_bomb_stays_inside() {
    let engine = engine_or_skip!();
    let mut order = order("bomb() { bomb | bomb & }; bomb; while true; do sleep 1; done");
    order.limits.fuel = 2 * SECOND;
    let (ending, _) = run(engine, &order).await;
    assert!(matches!(ending.status, Status::OutOfFuel | Status::MemoryLimit | Status::Exit), "{ending:?}");
    // The next guest has a machine of its own again.
    let (ending, outputs) = run(engine, &super::order("ls /proc | busybox grep -c '^[0-9]'")).await;
    assert_eq!(ending.status, Status::Exit);
    assert!(text(&outputs.stdout).trim().parse::<u32>().unwrap() <= 4, "{}", text(&outputs.stdout));
}

#[tokio::test]
async fn processes_are_counted() {
    let engine = engine_or_skip!();
    let script = "i=0; while [ $i -lt 400 ]; do sleep 100 & i=$((i+1)); done; echo all";
    let (_, outputs) = run(engine, &order(script)).await;
    assert!(!text(&outputs.stdout).contains("all"), "{}", text(&outputs.stdout));
    assert!(text(&outputs.stderr).contains("fork"), "{}", text(&outputs.stderr));
}
