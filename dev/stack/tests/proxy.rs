//! The faults that the proxy can simulate, as a client sees them.

#![expect(clippy::unwrap_used, reason = "a failed preparation ends its test")]

use std::{io, time::Duration};

use stack::Proxy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Instant,
};
use tokio_util::task::TaskTracker;

/// A server that sends back each byte, and its record of what has reached it.
async fn echo() -> (Proxy, mpsc::UnboundedReceiver<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let (heard, record) = mpsc::unbounded_channel();
    let tasks = TaskTracker::new();
    tasks.clone().spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let heard = heard.clone();
            tasks.spawn(async move {
                while let Ok(byte) = client.read_u8().await {
                    heard.send(byte).unwrap();
                    client.write_u8(byte).await.ok();
                }
            });
        }
    });
    (proxy, record)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn ask(client: &mut TcpStream, byte: u8) -> io::Result<u8> {
    client.write_u8(byte).await?;
    client.read_u8().await
}

#[tokio::test]
async fn bytes_travel_both_ways_and_an_end_is_passed_on() {
    let (proxy, _record) = echo().await;
    let mut client = connect(&proxy).await;
    assert_eq!(ask(&mut client, 1).await.unwrap(), 1);
    client.shutdown().await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_cut_resets_open_connections_and_new_ones_work() {
    let (proxy, _record) = echo().await;
    let mut client = connect(&proxy).await;
    ask(&mut client, 1).await.unwrap();
    proxy.cut();
    assert_eq!(client.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(ask(&mut connect(&proxy).await, 2).await.unwrap(), 2);
}

#[tokio::test]
async fn a_refusing_proxy_resets_every_connection_until_it_resumes() {
    let (proxy, _record) = echo().await;
    let mut client = connect(&proxy).await;
    ask(&mut client, 1).await.unwrap();
    proxy.refuse();
    assert!(client.read_u8().await.is_err());
    assert!(ask(&mut connect(&proxy).await, 2).await.is_err());
    proxy.resume();
    assert_eq!(ask(&mut connect(&proxy).await, 3).await.unwrap(), 3);
}

#[tokio::test]
async fn held_bytes_arrive_after_the_proxy_resumes() {
    let (proxy, mut record) = echo().await;
    let mut client = connect(&proxy).await;
    ask(&mut client, 1).await.unwrap();
    assert_eq!(record.recv().await, Some(1));
    proxy.hold();
    client.write_u8(2).await.unwrap();
    assert!(record.try_recv().is_err());
    proxy.resume();
    assert_eq!(record.recv().await, Some(2));
    assert_eq!(client.read_u8().await.unwrap(), 2);
}

#[tokio::test]
async fn a_delay_makes_each_direction_late() {
    let (proxy, _record) = echo().await;
    let mut client = connect(&proxy).await;
    ask(&mut client, 1).await.unwrap();
    let by = Duration::from_millis(150);
    proxy.delay(by);
    let begin = Instant::now();
    assert_eq!(ask(&mut client, 2).await.unwrap(), 2);
    assert!(begin.elapsed() >= by * 2);
}

#[tokio::test]
async fn with_held_answers_a_request_takes_effect_and_a_cut_loses_its_answer() {
    let (proxy, mut record) = echo().await;
    let mut client = connect(&proxy).await;
    ask(&mut client, 1).await.unwrap();
    assert_eq!(record.recv().await, Some(1));
    proxy.hold_answers();
    client.write_u8(2).await.unwrap();
    assert_eq!(record.recv().await, Some(2));
    proxy.cut();
    assert!(client.read_u8().await.is_err());
}

#[tokio::test]
async fn a_dropped_proxy_closes_its_connections_and_its_port() {
    let (proxy, _record) = echo().await;
    let mut client = connect(&proxy).await;
    ask(&mut client, 1).await.unwrap();
    let address = proxy.address();
    drop(proxy);
    assert!(client.read_u8().await.is_err());
    assert!(TcpStream::connect(address).await.is_err());
}
