//! The cost of a packet does not depend on the number of sockets.

use tapsock_stack::TcpId;
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::{Conditions, Pair};
use tapsock_stack::tcp::{Connect, Phase, Take};
use tapsock_stack::time::Duration;
use tapsock_stack::wire::IpEndpoint;

/// Sends a byte there and back a hundred times and gives how many sockets either side looked at.
fn touched(idle: usize) -> [u64; 2] {
    let pair = Pair::configured(1, Conditions::GOOD, |config| {
        config.receive_buffer = 2048;
        config.transmit_buffer = 2048;
        config.backlog_limit = u16::MAX;
        config.half_open_limit = u16::MAX;
    });
    let remote = IpEndpoint::new(Pair::addresses(2)[0], 80);
    let listener = pair.server.with(|stack, _| {
        let any = BindAddress::Any(Family::V4);
        let binding = stack.bind(Transport::Tcp, any, 80, Share::Default).unwrap();
        stack.tcp_listen(binding, usize::MAX, 0).unwrap()
    });
    let connect = || -> (TcpId, TcpId) {
        let client = pair.client.with(|stack, now| {
            let any = BindAddress::Any(Family::V4);
            let binding = stack.bind_for(Transport::Tcp, any, remote, Share::Default).unwrap();
            let port = stack.bound(binding).unwrap().1;
            let local = IpEndpoint::new(Pair::addresses(1)[0], port);
            stack.tcp_connect(now, &Connect::new(local, remote)).unwrap()
        });
        pair.world.run_for(Duration::from_millis(20));
        let server = pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
        (client, server)
    };
    for _ in 0..idle {
        connect();
    }
    let (client, server) = connect();
    let connected =
        pair.client.with(|stack, _| stack.tcp(client)).is_some_and(|s| s.phase == Phase::Connected);
    assert!(connected);

    let count = || {
        [&pair.client, &pair.server]
            .map(|host| host.with(|stack, _| stack.counters().sockets_touched))
    };
    let before = count();
    for _ in 0..100 {
        for (from, sender, to, receiver) in [
            (&pair.client, client, &pair.server, server),
            (&pair.server, server, &pair.client, client),
        ] {
            from.with(|stack, now| stack.tcp_send(now, sender, b"x", 2048)).unwrap();
            pair.world.run_for(Duration::from_millis(20));
            let mut byte = [0];
            let taken =
                to.with(|stack, now| stack.tcp_recv(now, receiver, &mut byte, Take::Consume));
            assert_eq!(taken, Ok(1));
        }
    }
    let after = count();
    [after[0] - before[0], after[1] - before[1]]
}

#[test]
fn ten_thousand_idle_connections_are_not_looked_at() {
    let alone = touched(0);
    assert!(alone[0] > 0 && alone[0] < 2000, "{alone:?}");
    assert_eq!(touched(10_000), alone);
}
