//! A small HTTP/1.1 client that can also misbehave: leave early, lie about lengths, send slowly.
//!
//! One connection per request, so that no test depends on another's connection.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use api::{Event, Problem, Summary};
use serde_json::Value;

/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(300);

/// A request in the making.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    to: SocketAddr,
    host: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The `Content-Length` that is told; the body's own when `None`.
    announced: Option<usize>,
}

/// A request as a stand-in for somebody else's server reads it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// For instance `POST /done HTTP/1.1`.
    pub(crate) first: String,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// Reads one request; an error when whoever asks has left.
    pub(crate) fn from(socket: &TcpStream) -> std::io::Result<Self> {
        let mut reader = BufReader::new(socket.try_clone()?);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? <= 2 {
                break;
            }
            lines.push(line.trim_end().to_owned());
        }
        let headers: BTreeMap<String, String> = lines
            .iter()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length = headers.get("content-length");
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body)?;
        Ok(Self {
            first: lines.into_iter().next().unwrap_or_default(),
            headers,
            body,
        })
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// An answer that is still arriving.
pub(crate) struct Stream {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    socket: TcpStream,
    body: BufReader<Box<dyn Read + Send>>,
}

/// One thing of an event stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    Event(String, Value),
    Comment(String),
}

impl Request {
    pub(crate) fn new(to: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            to,
            host: to.to_string(),
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            announced: None,
        }
    }

    /// Names another host than the one it is sent to.
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `Authorization: Bearer` with a key or a token.
    pub(crate) fn bearer(self, credential: &str) -> Self {
        self.header("Authorization", &format!("Bearer {credential}"))
    }

    pub(crate) fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", media_type)
    }

    /// Leaves only the last `Content-Type`.
    pub(crate) fn retyped(mut self, media_type: &str) -> Self {
        self.headers.retain(|(name, _)| name != "Content-Type");
        self.header("Content-Type", media_type)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn form(self, form: Form) -> Self {
        let media_type = form.media_type();
        self.body(&media_type, form.finish())
    }

    /// Announces another length than the body has.
    pub(crate) fn announce(mut self, bytes: usize) -> Self {
        self.announced = Some(bytes);
        self
    }

    /// Asks for an event stream.
    pub(crate) fn events(self) -> Self {
        self.header("Accept", "text/event-stream")
    }

    fn has(&self, name: &str) -> bool {
        self.headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    fn head(&self) -> String {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.method, self.path, self.host
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let bodiless = self.body.is_empty()
            && self.announced.is_none()
            && ["GET", "HEAD", "OPTIONS"].contains(&&*self.method);
        if !bodiless && !self.has("Transfer-Encoding") {
            head.push_str(&format!(
                "Content-Length: {}\r\n",
                self.announced.unwrap_or(self.body.len())
            ));
        }
        head + "\r\n"
    }

    /// Sends the request and gives the connection, without reading.
    pub(crate) fn connect(&self) -> TcpStream {
        let mut socket = TcpStream::connect(self.to).unwrap();
        self.write_to(&mut socket);
        socket
    }

    fn write_to(&self, socket: &mut TcpStream) {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        let _ = socket.write_all(self.head().as_bytes());
        if self.has("Transfer-Encoding") {
            self.write_chunks(socket);
        } else {
            // A server may answer and close before it has read the body.
            let _ = socket.write_all(&self.body);
        }
    }

    fn write_chunks(&self, socket: &mut TcpStream) {
        for chunk in self.body.chunks(64 * 1024) {
            let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            if socket.write_all(&framed).is_err() {
                return;
            }
        }
        let _ = socket.write_all(b"0\r\n\r\n");
    }

    /// Sends the request and reads the whole answer.
    #[track_caller]
    pub(crate) fn send(&self) -> Answer {
        self.whole(self.open())
    }

    /// Sends the request on a connection that was opened before.
    #[track_caller]
    pub(crate) fn send_on(&self, socket: &mut TcpStream) -> Answer {
        self.write_to(socket);
        self.whole(self.read(socket.try_clone().unwrap()))
    }

    #[track_caller]
    fn whole(&self, mut stream: Stream) -> Answer {
        let mut body = Vec::new();
        let read = stream.body.read_to_end(&mut body);
        assert!(
            read.is_ok(),
            "{} {}: the answer stops after {} bytes: {read:?}",
            self.method,
            self.path,
            body.len()
        );
        Answer {
            status: stream.status,
            headers: stream.headers,
            body,
        }
    }

    /// Sends the request and reads the answer's head.
    #[track_caller]
    pub(crate) fn open(&self) -> Stream {
        self.read(self.connect())
    }

    #[track_caller]
    fn read(&self, socket: TcpStream) -> Stream {
        let mut reader = BufReader::new(socket.try_clone().unwrap());
        let (status, headers) = read_head(&mut reader, &self.method, &self.path);
        let length =
            header_of(&headers, "Content-Length").map(|length| length.parse::<u64>().unwrap());
        let chunked = header_of(&headers, "Transfer-Encoding").is_some();
        let body: Box<dyn Read + Send> = match length {
            _ if self.method == "HEAD" || status == 204 => Box::new(std::io::empty()),
            _ if chunked => Box::new(Chunks {
                reader,
                left: 0,
                ended: false,
            }),
            Some(length) => Box::new(reader.take(length)),
            None => Box::new(reader),
        };
        Stream {
            status,
            headers,
            socket,
            body: BufReader::new(body),
        }
    }
}

#[track_caller]
fn read_head(reader: &mut impl BufRead, method: &str, path: &str) -> (u16, Vec<(String, String)>) {
    loop {
        let mut first = String::new();
        let read = reader.read_line(&mut first);
        assert!(
            matches!(read, Ok(1..)),
            "{method} {path}: no answer: {read:?}"
        );
        let status: u16 = first.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        if status != 100 {
            return (status, headers);
        }
    }
}

fn header_of<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header_of(&self.headers, name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}: {}", self.status, self.text()))
    }

    /// What the model says in the first answer to a conversation, which must be one.
    #[track_caller]
    pub(crate) fn content(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        let message = &self.json()["choices"][0]["message"];
        assert_eq!(message["role"], "assistant");
        message["content"].as_str().unwrap().to_owned()
    }

    /// The summary of an answer that must be one.
    #[track_caller]
    pub(crate) fn summary(&self) -> Summary {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    #[track_caller]
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(
            self.header("Content-Type"),
            Some("application/problem+json"),
            "{}: {}",
            self.status,
            self.text()
        );
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

impl Stream {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header_of(&self.headers, name)
    }

    /// The next event or comment; `None` at the end.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Heard> {
        let (mut name, mut data) = (String::new(), Vec::new());
        loop {
            let mut line = String::new();
            let read = self
                .body
                .read_line(&mut line)
                .expect("the stream breaks off");
            let line = line.trim_end_matches(['\r', '\n']);
            match line.split_once(':') {
                _ if read == 0 => return None,
                Some(("", comment)) => return Some(Heard::Comment(comment.trim().to_owned())),
                Some(("event", value)) => name = value.trim().to_owned(),
                Some(("data", value)) => data.push(value.trim_start().to_owned()),
                _ if line.is_empty() && !data.is_empty() => {
                    let data = data.join("\n");
                    let value = serde_json::from_str(&data)
                        .unwrap_or_else(|error| panic!("{error}: {data}"));
                    return Some(Heard::Event(name, value));
                }
                _ => {}
            }
        }
    }

    /// The next event, comments left out.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Option<Event> {
        loop {
            match self.next()? {
                Heard::Comment(_) => {}
                Heard::Event(name, data) => {
                    let event = Event::parse(&name, &data.to_string());
                    return Some(
                        event
                            .unwrap_or_else(|error| panic!("{name}: {error}: {data}"))
                            .expect("a known event"),
                    );
                }
            }
        }
    }

    /// Every event that is left.
    #[track_caller]
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.event()).collect()
    }

    /// Leaves as a browser does that was told to stop: the connection is closed in order (FIN).
    pub(crate) fn leave(self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Leaves as a machine does that has crashed: the connection is reset (RST).
    pub(crate) fn crash(self) {
        drop(self.body);
        reset(self.socket);
    }
}

/// Closes with a reset: bytes that came in and were not read make the system send one.
pub(crate) fn reset(socket: TcpStream) {
    let socket = socket2::Socket::from(socket);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(socket);
}

/// A body in chunks.
struct Chunks<R> {
    reader: R,
    left: usize,
    ended: bool,
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        if self.left == 0 {
            let mut line = String::new();
            self.reader.read_line(&mut line)?;
            let broken = || {
                std::io::Error::new(
                    std::io::ErrorKind::UnexpectedEof,
                    "the last chunk is missing",
                )
            };
            self.left = usize::from_str_radix(line.trim(), 16).map_err(|_| broken())?;
            if self.left == 0 {
                self.ended = true;
                return Ok(0);
            }
        }
        let wanted = buffer.len().min(self.left);
        let read = self.reader.read(&mut buffer[..wanted])?;
        self.left -= read;
        if self.left == 0 {
            let mut line_break = [0; 2];
            self.reader.read_exact(&mut line_break)?;
        }
        Ok(read)
    }
}

/// A multipart body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    body: Vec<u8>,
}

impl Form {
    const BOUNDARY: &str = "a-boundary-of-these-tests";

    /// A form with the part `request`.
    pub(crate) fn request(request: &Value) -> Self {
        Self::default().part(
            "name=\"request\"",
            "application/json",
            request.to_string().as_bytes(),
        )
    }

    /// Adds a picture's part. Its type is told wrongly on purpose: only the bytes count.
    pub(crate) fn picture(self, id: &str, bytes: &[u8]) -> Self {
        self.part(
            &format!("name=\"{id}\"; filename=\"{id}.bin\""),
            "application/octet-stream",
            bytes,
        )
    }

    pub(crate) fn part(mut self, disposition: &str, media_type: &str, bytes: &[u8]) -> Self {
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {media_type}\r\n\r\n",
            Self::BOUNDARY
        );
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(bytes);
        self.body.extend_from_slice(b"\r\n");
        self
    }

    fn media_type(&self) -> String {
        format!("multipart/form-data; boundary={}", Self::BOUNDARY)
    }

    fn finish(self) -> Vec<u8> {
        [
            self.body,
            format!("--{}--\r\n", Self::BOUNDARY).into_bytes(),
        ]
        .concat()
    }
}
