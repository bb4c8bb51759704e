//! The keys of a TLS connection of the JDK's, given to the kernel: what the class `io.zcio.NativeTls` declares.
//!
//! They are in private fields, of the same names on JDK 17 to 25. Each is looked for by its class and type; where one is not there,
//! nothing is changed and the connection stays the JDK's. Everything happens under the lock of the JDK's own writer: from the
//! number of the next record, which is read, until that writer is closed, it writes nothing.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use jni::objects::{JByteArray, JObject, JString, JValue};
use jni::signature::FieldSignature;
use jni::strings::JNIStr;
use jni::sys::jint;
use jni::{Env, jni_sig, jni_str};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, getsockname};
use zcio::ktls::{Cipher, Keys, Version, Way, attach, close_notify, set_keys};

use crate::descriptors::duplicate;
use crate::errors::Failure;
use crate::natives::SocketChannel;

type Found<T> = Result<T, Failure>;

/// What the JDK's writer has of one that is empty: a header and an explicit nonce, which are filled in later.
const EMPTY: jint = 13;

/// `NioSocketImpl.ST_CONNECTED`
const CONNECTED: jint = 3;

fn object<'local>(
    env: &mut Env<'local>,
    of: &JObject<'_>,
    name: &JNIStr,
    signature: FieldSignature<'_>,
) -> Found<JObject<'local>> {
    Ok(env.get_field(of, name, signature)?.into_object()?)
}

fn bytes<'local>(env: &mut Env<'local>, array: JObject<'local>) -> Found<Vec<u8>> {
    let array = env.cast_local::<JByteArray>(array)?;
    Ok(env.convert_byte_array(&array)?)
}

/// What the kernel is to know, or why it cannot.
fn keys<'local>(env: &mut Env<'local>, record: &JObject<'local>) -> Found<Result<Keys, &'static str>> {
    let writer = jni_sig!(sun.security.ssl.SSLCipher::SSLWriteCipher);
    let writer = object(env, record, jni_str!("writeCipher"), writer)?;
    let known = [
        (jni_str!("sun/security/ssl/SSLCipher$T13GcmWriteCipherGenerator$GcmWriteCipher"), Version::Tls13),
        (jni_str!("sun/security/ssl/SSLCipher$T12GcmWriteCipherGenerator$GcmWriteCipher"), Version::Tls12),
    ];
    let mut version = None;
    for (class, of) in known {
        let class = env.find_class(class)?;
        if env.is_instance_of(&writer, &class)? {
            version = Some(of);
        }
    }
    let Some(version) = version else {
        return Ok(Err("its cipher is none that is given to the kernel: AES-GCM of TLS 1.2 or 1.3"));
    };
    let key = object(env, &writer, jni_str!("key"), jni_sig!(java.security.Key))?;
    let key = env.call_method(&key, jni_str!("getEncoded"), jni_sig!(() -> [byte]), &[])?.into_object()?;
    let key = bytes(env, key)?;
    let name = if version == Version::Tls13 { jni_str!("iv") } else { jni_str!("fixedIv") };
    let fixed = object(env, &writer, name, jni_sig!([byte]))?;
    let mut iv = bytes(env, fixed)?;
    let authenticator = jni_sig!(sun.security.ssl.Authenticator);
    let authenticator = object(env, &writer, jni_str!("authenticator"), authenticator)?;
    let next = env.call_method(&authenticator, jni_str!("sequenceNumber"), jni_sig!(() -> [byte]), &[])?;
    let next = next.into_object()?;
    let next = bytes(env, next)?;
    if version == Version::Tls12 {
        // The JDK's nonces are the records' numbers, and the kernel counts on from the next.
        iv.extend_from_slice(&next);
    }
    let cipher = if key.len() == 16 { Cipher::Aes128Gcm } else { Cipher::Aes256Gcm };
    let (Ok(iv), Ok(next), 16 | 32) = (iv.try_into(), next.try_into(), key.len()) else {
        return Ok(Err("its key is none that is given to the kernel"));
    };
    Ok(Ok(Keys { version, cipher, key, iv, sequence: u64::from_be_bytes(next) }))
}

/// Under the lock of the writer.
fn give<'local>(
    env: &mut Env<'local>,
    record: &JObject<'local>,
    is_engine: bool,
    socket: BorrowedFd<'_>,
) -> Found<Option<String>> {
    if env.get_field(record, jni_str!("isClosed"), jni_sig!(boolean))?.into_bool()? {
        return Ok(Some("it has sent its end already".into()));
    }
    let is_empty = if is_engine {
        env.call_method(record, jni_str!("isEmpty"), jni_sig!(() -> boolean), &[])?.into_bool()?
    } else {
        env.get_field(record, jni_str!("count"), jni_sig!(int))?.into_int()? <= EMPTY
    };
    if !is_empty {
        return Ok(Some("it has something to send still: wrap and write that first".into()));
    }
    let keys = match keys(env, record)? {
        Ok(keys) => keys,
        Err(reason) => return Ok(Some(reason.into())),
    };
    if let Err(error) = attach(socket).and_then(|()| set_keys(socket, Way::Sending, &keys)) {
        return Ok(Some(error.to_string()));
    }
    env.set_field(record, jni_str!("isClosed"), jni_sig!(boolean), JValue::Bool(true))?;
    Ok(None)
}

fn begin<'local>(
    env: &mut Env<'local>,
    connection: &JObject<'local>,
    is_engine: bool,
    socket: BorrowedFd<'_>,
) -> Found<Option<String>> {
    let context = jni_sig!(sun.security.ssl.TransportContext);
    let context = object(env, connection, jni_str!("conContext"), context)?;
    let handshake = object(env, &context, jni_str!("handshakeContext"), jni_sig!(sun.security.ssl.HandshakeContext))?;
    let is_negotiated = env.get_field(&context, jni_str!("isNegotiated"), jni_sig!(boolean))?.into_bool()?;
    if !is_negotiated || !handshake.is_null() {
        return Ok(Some("its handshake is not over".into()));
    }
    let record = object(env, &context, jni_str!("outputRecord"), jni_sig!(sun.security.ssl.OutputRecord))?;
    let lock = jni_sig!(java.util.concurrent.locks.ReentrantLock);
    let lock = object(env, &record, jni_str!("recordLock"), lock)?;
    env.call_method(&lock, jni_str!("lock"), jni_sig!(() -> void), &[])?;
    let given = give(env, &record, is_engine, socket);
    // A field that is not there is an exception, over which nothing may be called.
    let unknown = given.is_err().then(|| env.exception_clear()).is_some();
    env.call_method(&lock, jni_str!("unlock"), jni_sig!(() -> void), &[])?;
    if unknown { Ok(Some(UNKNOWN.into())) } else { given }
}

const UNKNOWN: &str = "this Java runtime's TLS is another than zcio knows";

/// The descriptor of a socket that has no channel.
#[allow(unsafe_code)]
fn of_socket(env: &mut Env<'_>, socket: &JObject<'_>) -> Found<OwnedFd> {
    let implementation = jni_sig!(java.net.SocketImpl);
    let mut found = object(env, socket, jni_str!("impl"), implementation)?;
    let delegating = env.find_class(jni_str!("java/net/DelegatingSocketImpl"))?;
    while env.is_instance_of(&found, &delegating)? {
        found = object(env, &found, jni_str!("delegate"), jni_sig!(java.net.SocketImpl))?;
    }
    let descriptor = object(env, &found, jni_str!("fd"), jni_sig!(java.io.FileDescriptor))?;
    if descriptor.is_null() {
        return Err(Failure::Closed);
    }
    let number = env.get_field(&descriptor, jni_str!("fd"), jni_sig!(int))?.into_int()?;
    if number < 0 {
        return Err(Failure::Closed);
    }
    // SAFETY: borrowed for this one call, which fails for a number that is not open; should it be another's, the question below
    // is answered with no.
    let own = unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned();
    // The number stays there when the socket is closed. It says that it is closing before that.
    if env.get_field(&found, jni_str!("state"), jni_sig!(int))?.into_int()? != CONNECTED {
        return Err(Failure::Closed);
    }
    own.map_err(Failure::Io)
}

/// A channel of the JDK's over a descriptor of a connected socket, which is the channel's from then on.
fn channel<'local>(env: &mut Env<'local>, socket: &JObject<'_>, own: OwnedFd) -> Found<SocketChannel<'local>> {
    let provider = env.find_class(jni_str!("java/nio/channels/spi/SelectorProvider"))?;
    let signature = jni_sig!(() -> java.nio.channels.spi.SelectorProvider);
    let provider = env.call_static_method(&provider, jni_str!("provider"), signature, &[])?.into_object()?;
    let address = jni_sig!(() -> java.net.SocketAddress);
    let address = env.call_method(socket, jni_str!("getRemoteSocketAddress"), address, &[])?.into_object()?;
    let families = env.find_class(jni_str!("java/net/StandardProtocolFamily"))?;
    let own_address = getsockname::<SockaddrStorage>(own.as_raw_fd());
    let is_old = own_address.is_ok_and(|address| address.family() == Some(AddressFamily::Inet));
    let name = if is_old { jni_str!("INET") } else { jni_str!("INET6") };
    let family = env.get_static_field(&families, name, jni_sig!(java.net.StandardProtocolFamily))?.into_object()?;
    let descriptors = env.find_class(jni_str!("java/io/FileDescriptor"))?;
    let channels = env.find_class(jni_str!("sun/nio/ch/SocketChannelImpl"))?;
    let descriptor = env.new_object(&descriptors, jni_sig!((int) -> void), &[JValue::Int(own.as_raw_fd())])?;
    let signature = jni_sig!(
        (java.nio.channels.spi.SelectorProvider, java.net.ProtocolFamily, java.io.FileDescriptor, java.net.SocketAddress) -> void
    );
    let arguments = [&provider, &family, &descriptor, &address].map(JValue::Object);
    let channel = env.new_object(&channels, signature, &arguments)?;
    // It is the channel's, now that there is one.
    let _ = own.into_raw_fd();
    Ok(channel)
}

/// Why not, if what was looked for is not there; any other failure stands.
fn answer<'local>(env: &mut Env<'local>, given: Found<Option<String>>) -> Found<JString<'local>> {
    let reason = match given {
        Ok(reason) => reason,
        Err(Failure::Jni(_)) => {
            env.exception_clear();
            Some(UNKNOWN.into())
        }
        Err(failure) => return Err(failure),
    };
    Ok(match reason {
        Some(reason) => env.new_string(reason)?,
        None => JString::null(),
    })
}

/// The bridge to TLS in the kernel. Not an API.
pub(crate) enum NativeTls {}

impl NativeTls {
    /// Gives the kernel the keys of an SSLEngineImpl, whose records go to that channel; null, or why not.
    pub fn begin<'local>(
        env: &mut Env<'local>,
        engine: &JObject<'local>,
        channel: &SocketChannel<'local>,
    ) -> Result<JString<'local>, Failure> {
        let socket = duplicate(env, channel)?;
        let given = begin(env, engine, true, socket.as_fd());
        answer(env, given)
    }

    /// The same of an SSLSocketImpl over that channel.
    pub fn begin_socket<'local>(
        env: &mut Env<'local>,
        connection: &JObject<'local>,
        channel: &SocketChannel<'local>,
    ) -> Result<JString<'local>, Failure> {
        let socket = duplicate(env, channel)?;
        let given = begin(env, connection, false, socket.as_fd());
        answer(env, given)
    }

    /// A channel of its own over the connection of a socket that has none; null where the runtime is unknown.
    pub fn channel<'local>(env: &mut Env<'local>, socket: &JObject<'local>) -> Result<SocketChannel<'local>, Failure> {
        let made = of_socket(env, socket).and_then(|own| channel(env, socket, own));
        match made {
            Err(Failure::Jni(_)) => {
                env.exception_clear();
                Ok(JObject::null())
            }
            made => made,
        }
    }

    /// The socket below an SSLSocketImpl, which may be itself; null where the runtime is unknown.
    pub fn below<'local>(env: &mut Env<'local>, connection: &JObject<'local>) -> Result<JObject<'local>, Failure> {
        match object(env, connection, jni_str!("self"), jni_sig!(java.net.Socket)) {
            Err(Failure::Jni(_)) => {
                env.exception_clear();
                Ok(JObject::null())
            }
            found => found,
        }
    }

    /// Tells the peer that there will be no more bytes.
    pub fn close_notify(env: &mut Env<'_>, channel: &SocketChannel<'_>) -> Result<(), Failure> {
        let socket = duplicate(env, channel)?;
        loop {
            match close_notify(socket.as_fd()) {
                Err(error) if error.errno() == Some(Errno::EAGAIN as i32) => {
                    let mut polled = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
                    // A signal is no reason to give up.
                    let _ = poll(&mut polled, PollTimeout::from(100_u8));
                }
                told => return Ok(told?),
            }
        }
    }
}
