import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";

/**
 * A modal dialog. The backdrop is our own element and not Radix's overlay,
 * which would inject a style tag that the content security policy refuses.
 */
export function Dialog(props: {
  open: boolean;
  onClose: () => void;
  title: string;
  description?: ReactNode;
  wide?: boolean;
  children: ReactNode;
}) {
  const { open, onClose, title, description, wide, children } = props;
  return (
    <Radix.Root open={open} onOpenChange={(next) => (next ? undefined : onClose())}>
      <Radix.Portal>
        <div className="fixed inset-0 z-40 bg-backdrop" aria-hidden />
        <Radix.Content
          {...(description ? {} : { "aria-describedby": undefined })}
          className={`fixed top-[6vh] left-1/2 z-50 flex max-h-[88vh] w-[calc(100vw-32px)] -translate-x-1/2 flex-col rounded-overlay border border-border bg-surface shadow-overlay ${wide ? "max-w-[720px]" : "max-w-[480px]"}`}
        >
          <header className="border-border border-b px-4 py-3">
            <Radix.Title className="font-[650] text-title">{title}</Radix.Title>
            {description ? (
              <Radix.Description className="mt-0.5 text-ink-2">{description}</Radix.Description>
            ) : null}
          </header>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

export function DialogBody({ children }: { children: ReactNode }) {
  return <div className="min-h-0 flex-1 overflow-y-auto px-4 py-3">{children}</div>;
}

export function DialogActions({ children }: { children: ReactNode }) {
  return (
    <footer className="flex items-center justify-end gap-2 border-border border-t px-4 py-3">
      {children}
    </footer>
  );
}
