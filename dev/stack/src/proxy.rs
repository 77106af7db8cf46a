//! A TCP proxy that misbehaves on request.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How many bytes of a held direction are taken from the sender before the system's own buffers fill up.
const BUFFER_BYTES: usize = 16 * 1024;

/// Stands between a client and a server, so that a test can break the connection between the two.
///
/// It forwards until told otherwise; dropping it closes everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    end: CancellationToken,
}

/// The state of the simulated network. A higher `cuts` ends the connections made before, a higher `strands` has them
/// transport nothing any more.
#[derive(Clone, Copy, Debug)]
struct Network {
    mode: Mode,
    cuts: u64,
    strands: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Forward,
    Delay(Duration),
    Hold,
    HoldAnswers,
    Refuse,
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    Request,
    Answer,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and forwards to `upstream`, which need not be up yet.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (network, watched) = watch::channel(Network { mode: Mode::Forward, cuts: 0, strands: 0 });
        let (tasks, end) = (TaskTracker::new(), CancellationToken::new());
        let accepting = accept(listener, upstream, watched, tasks.clone());
        tasks.spawn(end.clone().run_until_cancelled_owned(accepting));
        Ok(Self { address, network, end })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets all connections, with whatever was held or under way. New ones are treated as before.
    pub fn cut(&self) {
        self.network.send_modify(|network| network.cuts += 1);
    }

    /// Resets all connections and, until [`Proxy::resume`], every new one.
    pub fn refuse(&self) {
        self.network.send_modify(|network| {
            network.mode = Mode::Refuse;
            network.cuts += 1;
        });
    }

    /// Lets no byte through any more on the connections that there are, as when the other host has vanished. New ones
    /// are treated as before.
    pub fn strand(&self) {
        self.network.send_modify(|network| network.strands += 1);
    }

    /// Lets no byte through in either direction: connections stay open, and the other side seems to hang.
    pub fn hold(&self) {
        self.set(Mode::Hold);
    }

    /// Lets requests through and holds the answers: what was asked for happens, and nobody hears of it.
    pub fn hold_answers(&self) {
        self.set(Mode::HoldAnswers);
    }

    /// Lets everything through, each piece this much later in either direction: a slow way, and a narrow one too, since
    /// the next piece waits for the one before.
    pub fn delay(&self, by: Duration) {
        self.set(Mode::Delay(by));
    }

    /// Forwards again, first what was held.
    pub fn resume(&self) {
        self.set(Mode::Forward);
    }

    fn set(&self, mode: Mode) {
        self.network.send_modify(|network| network.mode = mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn accept(
    listener: TcpListener,
    upstream: SocketAddr,
    network: watch::Receiver<Network>,
    tasks: TaskTracker,
) {
    // Ends the connections together with this loop.
    let end = CancellationToken::new();
    let _with_this_loop = end.clone().drop_guard();
    while let Ok((client, _)) = listener.accept().await {
        let connection = forward(client, upstream, network.clone());
        tasks.spawn(end.clone().run_until_cancelled_owned(connection));
    }
}

async fn forward(mut client: TcpStream, upstream: SocketAddr, mut network: watch::Receiver<Network>) {
    // Reset rather than closed when this returns, as by a network that fails.
    if client.set_zero_linger().is_err() || network.borrow().mode == Mode::Refuse {
        return;
    }
    let Network { cuts, strands, .. } = *network.borrow();
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    if server.set_zero_linger().is_err() {
        return;
    }
    let (client_reader, client_writer) = client.split();
    let (server_reader, server_writer) = server.split();
    let requests =
        pump(client_reader, server_writer, Lane { direction: Direction::Request, strands }, network.clone());
    let answers =
        pump(server_reader, client_writer, Lane { direction: Direction::Answer, strands }, network.clone());
    tokio::select! {
        // One side that closes ends only its own direction; a failure ends both.
        _ = async { tokio::try_join!(requests, answers) } => {}
        _ = network.wait_for(|network| network.cuts > cuts) => {}
    }
}

/// One direction of one connection.
#[derive(Clone, Copy, Debug)]
struct Lane {
    direction: Direction,
    /// How often connections were stranded before this one was made.
    strands: u64,
}

impl Lane {
    fn is_open(self, network: &Network) -> bool {
        network.strands == self.strands && lets_through(network.mode, self.direction)
    }
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    lane: Lane,
    mut network: watch::Receiver<Network>,
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    while from.read_buf(&mut buffer).await? > 0 {
        let open = |network: &Network| lane.is_open(network);
        let mode = network.wait_for(open).await.map_err(io::Error::other)?.mode;
        if let Mode::Delay(by) = mode {
            sleep(by).await;
            // What began to hold or to refuse meanwhile holds for this piece too.
            network.wait_for(open).await.map_err(io::Error::other)?;
        }
        to.write_all(&buffer).await?;
        buffer.clear();
    }
    to.shutdown().await
}

fn lets_through(mode: Mode, direction: Direction) -> bool {
    match (mode, direction) {
        (Mode::Forward | Mode::Delay(_), Direction::Request | Direction::Answer)
        | (Mode::HoldAnswers, Direction::Request) => true,
        (Mode::HoldAnswers, Direction::Answer)
        | (Mode::Hold | Mode::Refuse, Direction::Request | Direction::Answer) => false,
    }
}
