//! A body that is there until the answer has been sent.
//!
//! actix closes a connection in time whose body was not read to its end, but one of chunks that nobody holds any more
//! it reads on and on, however slowly they come: a few idle strangers could take all connections.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;

type BoxedPayloadStream = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

#[derive(Clone)]
pub(super) struct Held(Rc<RefCell<Payload>>);

impl Held {
    /// Takes the body into both hands: whoever handles the request reads it, and it stays.
    pub(super) fn hold(request: ServiceRequest) -> (ServiceRequest, Self) {
        let (request, body) = request.into_parts();
        let held = Self(Rc::new(RefCell::new(body)));
        let lent: BoxedPayloadStream = Box::pin(held.clone());
        (ServiceRequest::from_parts(request, lent.into()), held)
    }

    /// Keeps the body until the last of the answer is written: then actix decides how the connection ends.
    pub(super) fn until_sent(
        self,
        answer: ServiceResponse<impl MessageBody + 'static>,
    ) -> ServiceResponse<Escorted> {
        answer.map_into_boxed_body().map_body(|_, answer| Escorted { answer, _body: self })
    }
}

/// An answer, and the body of its request.
pub(super) struct Escorted {
    answer: BoxBody,
    _body: Held,
}

impl MessageBody for Escorted {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}

impl Stream for Held {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}
