/**
 * How a channel is tuned for few, large messages on long-lived streams. The reasons are those of grpc-js 1.14.7,
 * which is pinned: windows of 64 KiB would move 64 KiB per round trip; the retry layer acknowledges writes before they
 * are written and keeps a copy; channels to one address would share a connection; channelz costs without a reader.
 */
import type { ChannelOptions } from '@grpc/grpc-js'

const FLOW_CONTROL_WINDOW_BYTES = 16 * 1024 * 1024

/**
 * A broker that has vanished, or stands still, without closing its connections is noticed within these two together. By
 * then others lead what it led: a broker that cannot answer for so long has lost its leaderships too.
 */
const KEEPALIVE_INTERVAL_MS = 1_000
const KEEPALIVE_TIMEOUT_MS = 2_000

/** Options of one channel. `receiveMessageBytesMax` bounds a message from the broker. */
export function channelOptions(clientId: string, receiveMessageBytesMax: number): ChannelOptions {
  return {
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
    'grpc.max_receive_message_length': receiveMessageBytesMax,
    'grpc.max_send_message_length': -1,
    'grpc.enable_retries': 0,
    'grpc.per_rpc_retry_buffer_size': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_channelz': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.keepalive_time_ms': KEEPALIVE_INTERVAL_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
    'grpc.service_config_disable_resolution': 1,
    'grpc.primary_user_agent': clientId,
  }
}
