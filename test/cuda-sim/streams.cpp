// Queues of work, run as late as can be; see streams.h.
#include "streams.h"
#include "settings.h"
#include <algorithm>
#include <chrono>

namespace simulator {

Streams::Streams() { streams_.push_back(std::make_shared<Stream>(Stream{true, true, {}})); }

std::shared_ptr<Stream> Streams::find(void *handle) const {
  // The default stream is 0, and 1 by its explicit name.
  if (reinterpret_cast<uintptr_t>(handle) <= 1) return streams_[0];
  for (const auto &stream : streams_)
    if (stream.get() == handle && !stream->isDefault) return stream;
  return nullptr;
}

Stream *Streams::create(bool blocking) {
  streams_.push_back(std::make_shared<Stream>(Stream{false, blocking, {}}));
  return streams_.back().get();
}

// What is queued is still done.
Result Streams::destroy(void *handle) {
  const std::shared_ptr<Stream> stream = find(handle);
  if (stream == nullptr || stream->isDefault) return INVALID_HANDLE;
  const Result result = wait(stream);
  streams_.erase(std::find(streams_.begin(), streams_.end(), stream));
  return result;
}

void Streams::waitForOthers(const Stream &stream, std::vector<Point> &after) const {
  if (!stream.blocking) return;
  for (const auto &other : streams_)
    if (other.get() != &stream && other->blocking && other->done < other->queued && (stream.isDefault || other->isDefault))
      after.push_back({other, other->queued});
}

void Streams::queue(const std::shared_ptr<Stream> &stream, std::function<Result()> run, std::vector<Point> after) {
  waitForOthers(*stream, after);
  stream->queue.push_back({std::move(run), std::move(after)});
  stream->queued++;
  if (setting("streams") == "eager") wait(stream);
}

// Runs the stream's next piece of work, after what it has to wait for.
Result Streams::runNext(Stream &stream) {
  const Work work = std::move(stream.queue.front());
  stream.queue.pop_front();
  Result result = SUCCESS;
  for (auto point = work.after.rbegin(); point != work.after.rend() && result == SUCCESS; ++point) result = wait(*point);
  if (result == SUCCESS) result = work.run();
  stream.done++;
  if (result != SUCCESS) discardAll(result);
  return result;
}

void Streams::discardAll(Result result) {
  failed_ = result;
  for (const auto &stream : streams_) {
    stream->queue.clear();
    stream->done = stream->queued;
  }
}

Result Streams::wait(const Point &point) {
  Result result = SUCCESS;
  while (result == SUCCESS && !isDone(point)) result = runNext(*point.stream);
  return result;
}

Result Streams::waitForAll() {
  Result result = SUCCESS;
  for (size_t at = streams_.size(); at-- > 0 && result == SUCCESS;) result = wait(streams_[at]);
  return result;
}

Result Streams::query(const Point &point) {
  if (isDone(point)) return SUCCESS;
  const Result result = runNext(*point.stream);
  return result == SUCCESS ? NOT_READY : result;
}

void Streams::record(Event &event, const std::shared_ptr<Stream> &stream) {
  const auto recording = std::make_shared<Recording>();
  event.recording = recording;
  recording->point = {stream, stream->queued + 1};
  queue(stream, [recording] {
    using Milliseconds = std::chrono::duration<double, std::milli>;
    recording->milliseconds = Milliseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
    return SUCCESS;
  });
}

} // namespace simulator
