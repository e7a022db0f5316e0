//! Crates that know no more of a network than `Read` and `Write`, as they are published, over
//! `wsa::net`. The peer is the same crate over the kernel's own sockets.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

use tapsock_tests::{Kernel, PATIENCE, Pattern, sha256};
use tungstenite::{Message, WebSocket};
use wsa::config::{Configuration, LinkChoice};
use wsa::net::Net;
use wsa::start::start;

const MEGABYTE: u64 = 1_000_000;
/// Where the kernel listens, and where the stack does.
const BOTH: [(&str, &str); 2] = [("10.77.0.1:0", "10.77.0.2"), ("[fd77::1]:0", "[fd77::2]")];

/// The stack's side of the device, at 10.77.0.2 and fd77::2.
fn net(kernel: &Kernel) -> Net {
    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(kernel.device().into());
    let process = start(&configuration, None, |_| {}).unwrap_or_else(|error| panic!("{error}"));
    Net::new(Arc::new(process)).unwrap()
}

fn pattern(seed: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    Pattern::new(seed, MEGABYTE).read_to_end(&mut bytes).unwrap();
    bytes
}

/// A connection of the kernel's sockets, which does not wait for ever.
fn kernel_client(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Serves one connection of the kernel's sockets. Gives the address.
fn kernel_server<T: Send + 'static>(
    address: &str,
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (std::net::SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        serve(stream)
    });
    (address, server)
}

// WebSocket, by tungstenite.

/// Sends back every message until the peer closes. Gives their number.
fn echo_messages(stream: impl Read + Write) -> usize {
    let mut socket = tungstenite::accept(stream).map_err(|error| error.to_string()).unwrap();
    let mut messages = 0;
    loop {
        match socket.read() {
            Ok(message) if message.is_text() || message.is_binary() => {
                messages += 1;
                socket.send(message).unwrap();
            }
            Ok(_) => {}
            Err(tungstenite::Error::ConnectionClosed) => return messages,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Talks to such a server, and closes.
fn talk<S: Read + Write>(stream: S, host: &str) {
    let (mut socket, response): (WebSocket<S>, _) =
        tungstenite::client(format!("ws://{host}/chat"), stream)
            .map_err(|error| error.to_string())
            .unwrap();
    assert_eq!(response.status(), 101);
    for message in [Message::text("over a userspace stack"), Message::binary(pattern(1))] {
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message);
    }
    socket.close(None).unwrap();
    // The peer's close, then the end.
    loop {
        match socket.read() {
            Ok(message) => assert!(message.is_close(), "{message}"),
            Err(tungstenite::Error::ConnectionClosed) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_web_socket_client_talks_to_a_server_of_the_kernel() {
    let Some(kernel) = Kernel::start() else { return };
    let net = net(&kernel);
    for (server, _) in BOTH {
        let (address, served) = kernel_server(server, echo_messages);
        talk(net.connect(address).unwrap(), &address.to_string());
        assert_eq!(served.join().unwrap(), 2, "{server}");
    }
}

#[test]
fn a_web_socket_server_answers_a_client_of_the_kernel() {
    let Some(kernel) = Kernel::start() else { return };
    let net = net(&kernel);
    for (_, own) in BOTH {
        let address = format!("{own}:8000");
        let listener = net.listen(&address).unwrap();
        let client = thread::spawn(move || talk(kernel_client(&address), &address));
        let (stream, _) = listener.accept().unwrap();
        assert_eq!(echo_messages(stream), 2, "{own}");
        client.join().unwrap();
    }
}

// TLS, by rustls.

const NAME: &str = "tapsock.test";

/// A certificate that only these two know.
fn configurations() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed([NAME.to_string()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    (Arc::new(client), Arc::new(server))
}

/// Asks, hears a megabyte until the peer says that it was all, and gives what it was.
fn ask(stream: impl Read + Write, configuration: Arc<ClientConfig>) -> ([u8; 32], u64) {
    let name = ServerName::try_from(NAME).unwrap();
    let connection = ClientConnection::new(configuration, name).unwrap();
    let mut secure = StreamOwned::new(connection, stream);
    secure.write_all(b"everything, please\n").unwrap();
    // A stream that ends without a close_notify would be an error.
    sha256(&mut secure).unwrap()
}

/// Answers such a question.
fn answer(stream: impl Read + Write, configuration: Arc<ServerConfig>) -> io::Result<()> {
    let connection = ServerConnection::new(configuration).map_err(io::Error::other)?;
    let mut secure = StreamOwned::new(connection, stream);
    let mut question = [0; 19];
    secure.read_exact(&mut question)?;
    assert_eq!(&question, b"everything, please\n");
    secure.write_all(&pattern(2))?;
    secure.conn.send_close_notify();
    secure.flush()?;
    Ok(())
}

#[test]
fn a_tls_client_hears_a_server_of_the_kernel() {
    let Some(kernel) = Kernel::start() else { return };
    let net = net(&kernel);
    let (client, server) = configurations();
    for (listening, _) in BOTH {
        let server = Arc::clone(&server);
        let (address, served) = kernel_server(listening, move |stream| answer(stream, server));
        let heard = ask(net.connect(address).unwrap(), Arc::clone(&client));
        served.join().unwrap().unwrap();
        assert_eq!(heard, sha256(Pattern::new(2, MEGABYTE)).unwrap(), "{listening}");
    }
}

#[test]
fn a_tls_server_is_heard_by_a_client_of_the_kernel() {
    let Some(kernel) = Kernel::start() else { return };
    let net = net(&kernel);
    let (client, server) = configurations();
    for (_, own) in BOTH {
        let address = format!("{own}:8443");
        let listener = net.listen(&address).unwrap();
        let client = Arc::clone(&client);
        let asking = thread::spawn(move || ask(kernel_client(&address), client));
        let (stream, _) = listener.accept().unwrap();
        answer(stream, Arc::clone(&server)).unwrap();
        assert_eq!(asking.join().unwrap(), sha256(Pattern::new(2, MEGABYTE)).unwrap(), "{own}");
    }
}
